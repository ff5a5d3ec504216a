use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn with(text: &str, ignores_case: bool, takes_packed: bool) -> Pattern {
    pattern(text).with(Options { ignores_case, takes_packed })
}

fn value(pattern: &Pattern, key: &str, name: &str) -> Option<String> {
    pattern.captures(key)?.get(name).map(str::to_owned)
}

#[test]
fn a_plain_name_takes_one_or_more_safe_characters() {
    let pattern = pattern("in/{day}/a.csv");
    for key in ["in//a.csv", "in/x/y/a.csv", "in/x/a.csvx", "xin/x/a.csv", "in/x/A.csv"] {
        assert_eq!(pattern.captures(key), None, "{key}");
    }
    for name in
        ["x y", "x$(id)", "x'", "x\"", "x;", "x`", "#{x}", "x\\", "x&y", "x|y", "x<y", "a\nb", ".", ".."]
    {
        assert_eq!(pattern.captures(&format!("in/{name}/a.csv")), None, "{name}");
    }
    for name in ["ä-1_2.3=4+5@6,7", "日本", "a\u{308}", "-"] {
        assert_eq!(value(&pattern, &format!("in/{name}/a.csv"), "day").as_deref(), Some(name));
    }
}

#[test]
fn a_repeated_name_has_one_value() {
    let plain = pattern("{day}/{shop}/{day}.csv");
    assert!(plain.captures("1/x/2.csv").is_none());
    assert_eq!(plain.captures("1/x/1.csv").unwrap().encoded(), "day=1,shop=x");
    let dates = pattern("{day:yyyy-MM-dd}/orders_{day:yyyyMMdd}_*.csv");
    assert_eq!(value(&dates, "2026-01-05/orders_20260105_7.csv", "day").as_deref(), Some("2026-01-05"));
    assert_eq!(dates.captures("2026-01-05/orders_20260106_7.csv"), None);
}

#[test]
fn a_date_is_checked_and_has_one_value_in_every_form() {
    let (one, other) = (pattern("orders_{day:yyyyMMdd}.csv"), pattern("reviews-{day:yyyy-MM-dd}.csv"));
    let captures = one.captures("orders_20260105.csv").unwrap();
    assert_eq!(captures.get("day"), Some("2026-01-05"));
    assert_eq!(other.captures("reviews-2026-01-05.csv").as_ref(), Some(&captures));
    assert_eq!(other.key(&captures).unwrap().as_str(), "reviews-2026-01-05.csv");
    assert_eq!(one.captures("orders_20261305.csv"), None);
    assert_eq!(one.captures("orders_2026-01-05.csv"), None);
}

#[test]
fn a_class_takes_what_it_says() {
    let pattern = pattern(r"in/{n:[0-9]{2,3}}-{rest:[^x]+}.csv");
    assert_eq!(pattern.captures("in/12-$(id).csv").unwrap().get("rest"), Some("$(id)"));
    for key in ["in/1-a.csv", "in/1234-a.csv", "in/12-x.csv", "in/12-a/b.csv"] {
        assert_eq!(pattern.captures(key), None, "{key}");
    }
}

#[test]
fn a_star_stays_within_a_segment_and_is_not_captured() {
    let pattern = pattern("in/{day}/orders_*.csv");
    assert_eq!(pattern.captures("in/1/orders_10-15.csv").unwrap().encoded(), "day=1");
    assert!(pattern.captures("in/1/orders_.csv").is_some());
    assert!(pattern.captures("in/1/orders_a/b.csv").is_none());
    let captures = pattern.captures("in/1/orders_x.csv").unwrap();
    assert_eq!(pattern.key(&captures), None);
    assert_eq!(pattern.filled(&captures).as_deref(), Some("in/1/orders_*.csv"));
    let below = |prefix: &str, is_level| Some(Place::Below { prefix: prefix.to_owned(), is_level });
    assert_eq!(pattern.place(&captures), below("in/1/orders_", true));
    let folders = Pattern::parse("in/*/{day}.csv").unwrap();
    assert_eq!(folders.place(&captures), below("in/", false));
    assert!(Pattern::parse("in/{day}/*").unwrap().captures("in/1/").is_none(), "a folder is not a file");
}

#[test]
fn temporary_names_never_match_a_wildcard() {
    let star = pattern("in/{day}/*");
    for name in ["a.csv.part", "a.csv.filepart", "a.TMP", "a.csv~", ".a.csv", "~$a.xlsx"] {
        assert_eq!(star.captures(&format!("in/1/{name}")), None, "{name}");
        assert!(is_temporary_name(name), "{name}");
    }
    assert!(pattern("in/{day}/*.part").captures("in/1/a.part").is_some(), "the pattern says so itself");
    assert!(pattern("in/.{day}").captures("in/.a").is_some());
    assert!(pattern("in/{class:[^/]+}/a.csv").captures("in/.a/a.csv").is_none());
}

#[test]
fn the_case_of_a_name_and_its_packing_can_be_free() {
    let free = with("In/{day}/Orders.csv", true, true);
    for key in ["In/1/Orders.csv", "In/1/ORDERS.CSV", "In/1/orders.csv.GZ", "In/1/orders.Csv.zst"] {
        assert_eq!(free.captures(key).map(|captures| captures.encoded()).as_deref(), Some("day=1"), "{key}");
    }
    assert_eq!(free.captures("in/1/Orders.csv"), None, "a folder keeps its case");
    let captures = free.captures("In/1/Orders.csv").unwrap();
    let place = Place::Below { prefix: "In/1/".to_owned(), is_level: true };
    assert_eq!(free.place(&captures), Some(place));
    assert_eq!(free.literal_prefix(), "In/");
    assert_eq!(with("In/Orders.csv", true, false).literal_prefix(), "In/");
    let packed = with("in/{day}.csv", false, true);
    assert!(packed.captures("in/1.csv.gz").is_some() && packed.captures("in/1.csv.GZ").is_none());
    assert_eq!(packed.place(&captures), Some(Place::Below { prefix: "in/1.csv".to_owned(), is_level: true }));
}

#[test]
fn an_awkward_key_is_refused_in_linear_time() {
    let patterns = [
        "{a}-{b}-{c}-{d}-{e}-{f}-{g}.csv",
        "{a}-{b}-{c}-{d}-{e}-{a}.csv",
        "*-*-*-*-*-*.csv",
        r"{a:[-a]+}-{b:-?[-a]{1,9}-*}.csv",
        "{a:d-M-yy}-{b:H-m-s}-{c:yyyy}.csv",
    ];
    for text in patterns {
        let pattern = pattern(text);
        for letters in ["-", "a-", "1-1-", "-1", "1"] {
            let steps = |length: usize| pattern.counted(&letters.repeat(length / letters.len())).1;
            let (short, long) = (steps(256), steps(1_024));
            assert!(long <= 4 * short + 4_000, "{text} and {letters}: {short} steps, then {long}");
        }
    }
}

/// Parts of patterns, and characters that mean something in patterns or in keys.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("{a}"),
        Just("{b}"),
        Just("{day:yyyyMMdd}"),
        Just("{day:d.M.yy}"),
        Just("{n:[0-9]+}"),
        Just("{n:.{1,3}}"),
        Just("*"),
        Just("/"),
        Just("in/"),
        Just("."),
        Just("_"),
        Just("-"),
        Just(".csv"),
        Just("1"),
        Just("20260105"),
        Just("5.1.26"),
        Just("ä"),
        Just("{"),
        Just("}"),
        Just(":"),
        Just("["),
        Just("\\"),
        Just(".gz"),
        Just(" "),
        Just("A"),
    ];
    prop::collection::vec(part, 0..9).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_pattern_and_no_key_panics(text in texts(), key in texts(), any in "\\PC{0,20}", case: bool, packed: bool) {
        for text in [&text, &any] {
            let Ok(pattern) = Pattern::parse(text) else { continue };
            let pattern = pattern.with(Options { ignores_case: case, takes_packed: packed });
            for key in [&key, &any] {
                if let Some(captures) = pattern.captures(key) {
                    let _ = (pattern.place(&captures), captures.encoded(), captures.parameter_values());
                }
            }
        }
    }

    #[test]
    fn what_a_pattern_captures_put_back_gives_the_key(text in texts(), key in texts()) {
        let Ok(pattern) = Pattern::parse(&text) else { return Ok(()) };
        let Some(captures) = pattern.captures(&key) else { return Ok(()) };
        match pattern.place(&captures) {
            Some(Place::Key(made)) => prop_assert_eq!(made.as_str(), key),
            Some(Place::Below { prefix, is_level }) => {
                prop_assert!(key.starts_with(&prefix));
                prop_assert!(!is_level || !key[prefix.len()..].contains('/'));
            }
            None => prop_assert!(false, "a match has a place"),
        }
    }

    #[test]
    fn a_key_made_of_values_gives_them_back(
        day in "[a-z0-9Ä日_.=+@,]{1,20}", shop in "[A-Z0-9é_.=+@,-]{1,20}", number in 0..100_000_u32, date in 0..20_000_i64,
    ) {
        prop_assume!(shop != "." && shop != "..");
        let date = jiff::civil::date(2000, 1, 1).saturating_add(jiff::Span::new().days(date));
        let pattern = Pattern::parse("in/{day}-{shop}/o_{n:[0-9]+}_{on:dd.MM.yyyy}.csv").unwrap();
        let key = format!("in/{day}-{shop}/o_{number}_{}.csv", date.strftime("%d.%m.%Y"));
        prop_assume!(!day.starts_with('.'));
        let captures = pattern.captures(&key).unwrap();
        let expected = [day, number.to_string(), date.to_string(), shop];
        let found: Vec<_> = ["day", "n", "on", "shop"].map(|name| captures.get(name).unwrap().to_owned()).into();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(pattern.key(&captures).unwrap().to_string(), key);
    }

    #[test]
    fn a_match_takes_a_number_of_steps_that_the_lengths_bound(text in texts(), key in texts(), more in 1..60_usize) {
        let Ok(pattern) = Pattern::parse(&text) else { return Ok(()) };
        let key = key.repeat(more);
        let (_, steps) = pattern.counted(&key);
        let bound = 100 * (text.chars().count() as u64 + 2) * (key.chars().count() as u64 + 2);
        prop_assert!(steps <= bound, "{} steps for {} characters", steps, key.chars().count());
    }
}
