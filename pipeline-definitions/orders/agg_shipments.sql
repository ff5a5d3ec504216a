-- Counts late shipments and undelivered items.
-- A late shipment left 6 days or more after the order and is not delivered. An undelivered item is an order that was
-- placed 15 days or more before the day of the drop and is neither shipped nor delivered.
-- The only argument is the day of the drop.
INSERT INTO analytics.agg_shipments
WITH drop_day AS (
    SELECT ?::date AS day
), late AS (
    SELECT count(*) AS total
    FROM staging.shipments JOIN staging.orders USING (order_id)
    WHERE shipment_date >= order_date + 6 AND delivery_date IS NULL
), undelivered AS (
    SELECT count(*) AS total
    FROM drop_day, staging.orders
    WHERE order_date <= day - 15
      AND NOT EXISTS (
          SELECT FROM staging.shipments
          WHERE shipments.order_id = orders.order_id
            AND (shipment_date IS NOT NULL OR delivery_date IS NOT NULL)
      )
)
SELECT day, late.total, undelivered.total FROM drop_day, late, undelivered
ON CONFLICT (ingestion_date) DO UPDATE SET
    tt_late_shipments = excluded.tt_late_shipments,
    tt_undelivered_items = excluded.tt_undelivered_items;
