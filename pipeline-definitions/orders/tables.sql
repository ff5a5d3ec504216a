-- Creates the tables of the orders pipeline. Every run starts with this script, which leaves existing tables unchanged.

CREATE SCHEMA IF NOT EXISTS if_common;
CREATE SCHEMA IF NOT EXISTS staging;
CREATE SCHEMA IF NOT EXISTS analytics;

-- One row for each day. day_of_the_week_num is 1 (Monday) to 7 (Sunday). A public holiday is a day from Monday to Friday
-- that is not a working day.
CREATE TABLE IF NOT EXISTS if_common.dim_dates (
    calendar_dt           date PRIMARY KEY,
    year_num              integer NOT NULL,
    month_of_the_year_num integer NOT NULL,
    day_of_the_month_num  integer NOT NULL,
    day_of_the_week_num   integer NOT NULL,
    working_day           boolean NOT NULL
);

CREATE TABLE IF NOT EXISTS if_common.dim_products (
    product_id       text PRIMARY KEY,
    product_category text NOT NULL,
    product_name     text NOT NULL
);

-- Fills the calendar. Its public holidays are fixed days, and days that move with Easter (Gregorian, formula of Gauss).
-- To change the holidays, change this list and DELETE FROM if_common.dim_dates; the next run fills the table again.
INSERT INTO if_common.dim_dates
WITH years AS (
    SELECT y, y % 19 AS a, y / 100 AS c, y % 100 AS d FROM generate_series(2015, 2035) AS y
), epact AS (
    SELECT y, a, c, d, (19 * a + c - c / 4 - (c - (c + 8) / 25 + 1) / 3 + 15) % 30 AS h FROM years
), sunday AS (
    SELECT y, a, h, (32 + 2 * (c % 4) + 2 * (d / 4) - h - d % 4) % 7 AS l FROM epact
), easter AS (
    SELECT y, make_date(y, (h + l - 7 * ((a + 11 * h + 22 * l) / 451) + 114) / 31,
                           (h + l - 7 * ((a + 11 * h + 22 * l) / 451) + 114) % 31 + 1) AS easter_sunday
    FROM sunday
), holidays AS (
    SELECT make_date(y, month, day) AS holiday
    FROM easter, (VALUES (1, 1), (5, 1), (12, 25), (12, 26)) AS fixed (month, day)
    UNION
    SELECT easter_sunday + shift FROM easter, (VALUES (-2), (1)) AS moving (shift)
)
SELECT calendar_dt,
       extract(year FROM calendar_dt)::integer,
       extract(month FROM calendar_dt)::integer,
       extract(day FROM calendar_dt)::integer,
       extract(isodow FROM calendar_dt)::integer,
       extract(isodow FROM calendar_dt) < 6 AND calendar_dt NOT IN (SELECT holiday FROM holidays)
FROM (SELECT generate_series('2015-01-01'::date, '2035-12-31'::date, '1 day')::date AS calendar_dt) AS days
WHERE NOT EXISTS (SELECT FROM if_common.dim_dates);

INSERT INTO if_common.dim_products (product_id, product_category, product_name)
VALUES ('P01', 'Kitchen', 'Kettle, 1.7 l'),        ('P02', 'Kitchen', 'Toaster'),
       ('P03', 'Kitchen', 'Espresso maker'),       ('P04', 'Kitchen', 'Chopping board'),
       ('P05', 'Kitchen', 'Knife set, 5 pieces'),  ('P06', 'Garden', 'Watering can'),
       ('P07', 'Garden', 'Hedge shears'),          ('P08', 'Garden', 'Rain barrel, 200 l'),
       ('P09', 'Garden', 'Bird feeder'),           ('P10', 'Garden', 'Downspout diverter'),
       ('P11', 'Office', 'Desk lamp'),             ('P12', 'Office', 'Monitor stand'),
       ('P13', 'Office', 'Notebook, ruled'),       ('P14', 'Office', 'Fountain pen'),
       ('P15', 'Office', 'Footrest'),              ('P16', 'Sports', 'Yoga mat'),
       ('P17', 'Sports', 'Skipping rope'),         ('P18', 'Sports', 'Water bottle'),
       ('P19', 'Sports', 'Bicycle pump'),          ('P20', 'Sports', 'Head torch')
ON CONFLICT (product_id) DO NOTHING;

-- Staging holds exactly the rows of one drop. An empty date is NULL.
CREATE TABLE IF NOT EXISTS staging.orders (
    order_id    bigint NOT NULL,
    customer_id text NOT NULL,
    order_date  date NOT NULL,
    product_id  text NOT NULL,
    unit_price  numeric(12, 2) NOT NULL,
    quantity    integer NOT NULL,
    total_price numeric(14, 2) NOT NULL
);

CREATE TABLE IF NOT EXISTS staging.reviews (
    review     smallint NOT NULL CHECK (review BETWEEN 1 AND 5),
    product_id text NOT NULL
);

CREATE TABLE IF NOT EXISTS staging.shipments (
    shipment_id   text NOT NULL,
    order_id      bigint NOT NULL,
    shipment_date date,
    delivery_date date
);

-- Analytics holds one row for each day on which files were dropped.
CREATE TABLE IF NOT EXISTS analytics.agg_public_holiday (
    ingestion_date   date PRIMARY KEY,
    tt_order_hol_jan integer NOT NULL,
    tt_order_hol_feb integer NOT NULL,
    tt_order_hol_mar integer NOT NULL,
    tt_order_hol_apr integer NOT NULL,
    tt_order_hol_may integer NOT NULL,
    tt_order_hol_jun integer NOT NULL,
    tt_order_hol_jul integer NOT NULL,
    tt_order_hol_aug integer NOT NULL,
    tt_order_hol_sep integer NOT NULL,
    tt_order_hol_oct integer NOT NULL,
    tt_order_hol_nov integer NOT NULL,
    tt_order_hol_dec integer NOT NULL
);

CREATE TABLE IF NOT EXISTS analytics.agg_shipments (
    ingestion_date       date PRIMARY KEY,
    tt_late_shipments    integer NOT NULL,
    tt_undelivered_items integer NOT NULL
);

CREATE TABLE IF NOT EXISTS analytics.best_performing_product (
    ingestion_date        date PRIMARY KEY,
    product_name          text NOT NULL,
    most_ordered_day      date,
    is_public_holiday     boolean,
    tt_review_points      integer NOT NULL,
    pct_one_star_review   numeric(5, 2) NOT NULL,
    pct_two_star_review   numeric(5, 2) NOT NULL,
    pct_three_star_review numeric(5, 2) NOT NULL,
    pct_four_star_review  numeric(5, 2) NOT NULL,
    pct_five_star_review  numeric(5, 2) NOT NULL,
    pct_early_shipments   numeric(5, 2),
    pct_late_shipments    numeric(5, 2)
);
