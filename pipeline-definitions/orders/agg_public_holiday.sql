-- Counts, by month, the orders that were placed on a public holiday in the year before the day of the drop.
-- The only argument is the day of the drop.
INSERT INTO analytics.agg_public_holiday
WITH drop_day AS (
    SELECT ?::date AS day
)
SELECT day,
       count(*) FILTER (WHERE month_of_the_year_num = 1),
       count(*) FILTER (WHERE month_of_the_year_num = 2),
       count(*) FILTER (WHERE month_of_the_year_num = 3),
       count(*) FILTER (WHERE month_of_the_year_num = 4),
       count(*) FILTER (WHERE month_of_the_year_num = 5),
       count(*) FILTER (WHERE month_of_the_year_num = 6),
       count(*) FILTER (WHERE month_of_the_year_num = 7),
       count(*) FILTER (WHERE month_of_the_year_num = 8),
       count(*) FILTER (WHERE month_of_the_year_num = 9),
       count(*) FILTER (WHERE month_of_the_year_num = 10),
       count(*) FILTER (WHERE month_of_the_year_num = 11),
       count(*) FILTER (WHERE month_of_the_year_num = 12)
FROM drop_day
LEFT JOIN (
    staging.orders JOIN if_common.dim_dates
        ON calendar_dt = order_date AND day_of_the_week_num BETWEEN 1 AND 5 AND NOT working_day
) ON order_date >= day - interval '1 year' AND order_date < day
GROUP BY day
ON CONFLICT (ingestion_date) DO UPDATE SET
    tt_order_hol_jan = excluded.tt_order_hol_jan,
    tt_order_hol_feb = excluded.tt_order_hol_feb,
    tt_order_hol_mar = excluded.tt_order_hol_mar,
    tt_order_hol_apr = excluded.tt_order_hol_apr,
    tt_order_hol_may = excluded.tt_order_hol_may,
    tt_order_hol_jun = excluded.tt_order_hol_jun,
    tt_order_hol_jul = excluded.tt_order_hol_jul,
    tt_order_hol_aug = excluded.tt_order_hol_aug,
    tt_order_hol_sep = excluded.tt_order_hol_sep,
    tt_order_hol_oct = excluded.tt_order_hol_oct,
    tt_order_hol_nov = excluded.tt_order_hol_nov,
    tt_order_hol_dec = excluded.tt_order_hol_dec;
