//! The sample files of the orders pipeline, generated from a seed.
//!
//! A seed always gives the same bytes, on every machine. A test compares the checked-in files under
//! `pipeline-definitions/orders/samples` with the generated ones.

use std::io::{self, Write};

use jiff::{ToSpan, civil::Date};

/// The day of the checked-in samples, whose keys are `incoming/2026-01-01/orders.csv` and so on.
pub const DAY: &str = "2026-01-01";

/// The seed of the checked-in samples.
pub const SEED: u64 = 20_260_101;

/// The number of good orders in the checked-in samples.
pub const ORDERS: u64 = 10_000;

const TO_MEMORY: &str = "writing to memory does not fail";
const FIRST_DAY: Date = jiff::civil::date(2025, 1, 1);
const DAYS: u64 = 365;
const PRODUCTS: u64 = 24;

/// The parameters of a set of three files.
#[derive(Clone, Copy, Debug)]
pub struct Samples {
    /// The seed of the random numbers.
    pub seed: u64,
    /// The number of good orders. There is a shipment for each order, and a review for four orders in ten.
    pub orders: u64,
    /// Whether the files also hold the twelve rows that end in quarantine.
    pub with_bad_rows: bool,
}

impl Samples {
    /// The checked-in samples.
    pub const CHECKED_IN: Self = Self { seed: SEED, orders: ORDERS, with_bad_rows: true };

    /// Returns a set of `orders` good orders, different for each `seed`.
    #[must_use]
    pub fn small(seed: u64, orders: u64) -> Self {
        Self { seed, orders, with_bad_rows: false }
    }

    /// Returns the three files, each with its name.
    #[must_use]
    pub fn files(&self) -> [(&'static str, Vec<u8>); 3] {
        let mut orders = Vec::new();
        let mut reviews = Vec::new();
        let mut shipments = Vec::new();
        self.write_orders(&mut orders).expect(TO_MEMORY);
        self.write_reviews(&mut reviews).expect(TO_MEMORY);
        self.write_shipments(&mut shipments).expect(TO_MEMORY);
        [("orders.csv", orders), ("reviews.csv", reviews), ("shipments.csv", shipments)]
    }

    /// Returns the numbers of good rows that a load of the files puts into `staging.orders`, `staging.reviews` and
    /// `staging.shipments`.
    #[must_use]
    pub fn rows(&self) -> [i64; 3] {
        let orders = i64::try_from(self.orders).expect("a number of rows");
        [orders, orders * 4 / 10, orders]
    }

    /// Writes `orders.csv`.
    ///
    /// # Errors
    /// The errors of `out`.
    pub fn write_orders(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "order_id,customer_id,order_date,product_id,unit_price,quantity,total_price")?;
        for id in 1..=self.orders {
            if self.with_bad_rows
                && let Some(row) = bad_row(&BAD_ORDERS, id)
            {
                writeln!(out, "{row}")?;
            }
            let order = self.order(id);
            let cents = order.unit_cents * order.quantity;
            writeln!(
                out,
                "{id},{},{},{},{}.{:02},{},{}.{:02}",
                order.customer,
                order.date,
                order.product,
                order.unit_cents / 100,
                order.unit_cents % 100,
                order.quantity,
                cents / 100,
                cents % 100,
            )?;
        }
        Ok(())
    }

    /// Writes `reviews.csv`.
    ///
    /// # Errors
    /// The errors of `out`.
    pub fn write_reviews(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "review,product_id")?;
        let mut random = Random::new(self.seed, Stream::Reviews, 0);
        for id in 1..=self.orders * 4 / 10 {
            if self.with_bad_rows
                && let Some(row) = bad_row(&BAD_REVIEWS, id)
            {
                writeln!(out, "{row}")?;
            }
            let review = [1, 2, 3, 3, 4, 4, 4, 5, 5, 5][random.below(10)];
            writeln!(out, "{review},{}", product(&mut random))?;
        }
        Ok(())
    }

    /// Writes `shipments.csv`.
    ///
    /// # Errors
    /// The errors of `out`.
    pub fn write_shipments(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "shipment_id,order_id,shipment_date,delivery_date")?;
        for id in 1..=self.orders {
            if self.with_bad_rows
                && let Some(row) = bad_row(&BAD_SHIPMENTS, id)
            {
                writeln!(out, "{row}")?;
            }
            let order = self.order(id);
            let mut random = Random::new(self.seed, Stream::Shipments, id);
            let shipped = (random.below(100) < 93).then(|| order.date + days(1 + random.below(9)));
            let delivered =
                shipped.filter(|_| random.below(100) < 90).map(|day| day + days(1 + random.below(5)));
            let text = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
            writeln!(out, "S-{id:06},{id},{},{}", text(shipped), text(delivered))?;
        }
        Ok(())
    }

    fn order(&self, id: u64) -> Order {
        let mut random = Random::new(self.seed, Stream::Orders, id);
        Order {
            customer: customer(&mut random),
            date: FIRST_DAY + days(random.below(DAYS as usize)),
            product: product(&mut random),
            unit_cents: 199 + random.below(24_800) as u64,
            quantity: 1 + random.below(6) as u64,
        }
    }
}

struct Order {
    customer: String,
    date: Date,
    product: String,
    unit_cents: u64,
    quantity: u64,
}

/// Rows that the loader refuses, each with the number of the good row that follows it.
const BAD_ORDERS: [(u64, &str); 7] = [
    (120, "900001,C-0417,2025-02-30,P03,19.90,1,19.90"),
    (1_377, "900002,C-0032,2025-06-17,P11,12.5O,2,25.00"),
    (2_950, "900003,C-0981,2025-07-04,P06,8.40"),
    (4_404, "900004,C-0101,17/08/2025,P18,7.00,3,21.00"),
    (5_871, ",C-0755,2025-09-09,P02,31.00,1,31.00"),
    (7_777, "900006,C-0210,2025-10-01,P09,14.20,two,28.40"),
    (9_310, "900007,C-0667,2025-12-03,P14,55.00,1,55.00,gift"),
];

const BAD_REVIEWS: [(u64, &str); 3] = [(333, "6,P04"), (1_800, "four,P12"), (3_050, "0,P07")];

const BAD_SHIPMENTS: [(u64, &str); 2] =
    [(2_020, "S-900001,2020,2025-11-31,"), (8_642, "S-900002,n/a,2025-05-02,2025-05-06")];

fn bad_row(rows: &[(u64, &'static str)], before: u64) -> Option<&'static str> {
    rows.iter().find(|(number, _)| *number == before).map(|(_, row)| *row)
}

/// Returns a customer. Most are numbers; some are names with commas, quotes and line breaks.
fn customer(random: &mut Random) -> String {
    match random.below(50) {
        0 => "\"Okafor, Ada\"".to_owned(),
        1 => "\"Branch 12\nHarbour Road\"".to_owned(),
        2 => "\"Haus \"\"Linde\"\", Köln\"".to_owned(),
        _ => format!("C-{:04}", random.below(1_200)),
    }
}

/// Returns a product. The first ones sell best, and the last few are in no catalogue.
fn product(random: &mut Random) -> String {
    let rank = random.below(PRODUCTS as usize).min(random.below(PRODUCTS as usize)) as u64 + 1;
    match rank {
        21.. => format!("\"Gift box, no. {}\"", rank - 20),
        _ => format!("P{rank:02}"),
    }
}

fn days(count: usize) -> jiff::Span {
    i64::try_from(count).expect("a few hundred days").days()
}

/// The file that a random number is for. Each file has numbers of its own, so that a change to one file leaves the others
/// as they are.
#[derive(Clone, Copy)]
enum Stream {
    Orders = 1,
    Reviews = 2,
    Shipments = 3,
}

/// The generator SplitMix64, which gives the same numbers on every platform and in every version.
struct Random(u64);

impl Random {
    fn new(seed: u64, stream: Stream, item: u64) -> Self {
        let mut random = Self(seed ^ ((stream as u64) << 56) ^ item.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
