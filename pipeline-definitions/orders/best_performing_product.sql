-- Finds the product with the most reviews, and adds its review points, shares of stars and shipments.
-- Of products with equally many reviews, the one with more points wins, then the one with the smaller id.
-- An early shipment left less than 6 days after the order. A late shipment left 6 days or more after the order and is
-- not delivered. The only argument is the day of the drop.
INSERT INTO analytics.best_performing_product
WITH drop_day AS (
    SELECT ?::date AS day
), best AS (
    SELECT product_id,
           sum(review) AS points,
           count(*) AS reviews,
           count(*) FILTER (WHERE review = 1) AS one,
           count(*) FILTER (WHERE review = 2) AS two,
           count(*) FILTER (WHERE review = 3) AS three,
           count(*) FILTER (WHERE review = 4) AS four,
           count(*) FILTER (WHERE review = 5) AS five
    FROM staging.reviews
    GROUP BY product_id
    ORDER BY reviews DESC, points DESC, product_id
    LIMIT 1
), most_ordered AS (
    SELECT order_date
    FROM staging.orders JOIN best USING (product_id)
    GROUP BY order_date
    ORDER BY count(*) DESC, order_date
    LIMIT 1
), shipped AS (
    SELECT count(*) AS total,
           count(*) FILTER (WHERE shipment_date < order_date + 6) AS early,
           count(*) FILTER (WHERE shipment_date >= order_date + 6 AND delivery_date IS NULL) AS late
    FROM staging.shipments JOIN staging.orders USING (order_id) JOIN best USING (product_id)
)
SELECT day,
       coalesce(product_name, best.product_id),
       order_date,
       day_of_the_week_num BETWEEN 1 AND 5 AND NOT working_day,
       points,
       round(100.0 * one / reviews, 2),
       round(100.0 * two / reviews, 2),
       round(100.0 * three / reviews, 2),
       round(100.0 * four / reviews, 2),
       round(100.0 * five / reviews, 2),
       round(100.0 * early / nullif(total, 0), 2),
       round(100.0 * late / nullif(total, 0), 2)
FROM drop_day
CROSS JOIN best
CROSS JOIN shipped
LEFT JOIN most_ordered ON true
LEFT JOIN if_common.dim_products ON dim_products.product_id = best.product_id
LEFT JOIN if_common.dim_dates ON calendar_dt = order_date
ON CONFLICT (ingestion_date) DO UPDATE SET
    product_name = excluded.product_name,
    most_ordered_day = excluded.most_ordered_day,
    is_public_holiday = excluded.is_public_holiday,
    tt_review_points = excluded.tt_review_points,
    pct_one_star_review = excluded.pct_one_star_review,
    pct_two_star_review = excluded.pct_two_star_review,
    pct_three_star_review = excluded.pct_three_star_review,
    pct_four_star_review = excluded.pct_four_star_review,
    pct_five_star_review = excluded.pct_five_star_review,
    pct_early_shipments = excluded.pct_early_shipments,
    pct_late_shipments = excluded.pct_late_shipments;
