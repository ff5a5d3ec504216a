//! The rules that every layout keeps.

use proptest::prelude::*;

use super::*;

const SIZE: Size = Size { width: 100.0, height: 40.0 };

fn arrow((from, to): (usize, usize)) -> Arrow {
    Arrow { from, to, weight: 1.0, shift: 0.0 }
}

fn overlap(one: &Positioned, other: &Positioned) -> bool {
    let apart = |a: f64, a_length: f64, b: f64, b_length: f64| a + a_length <= b || b + b_length <= a;
    !apart(one.corner.x, one.size.width, other.corner.x, other.size.width)
        && !apart(one.corner.y, one.size.height, other.corner.y, other.size.height)
}

proptest! {
    #[test]
    fn boxes_are_apart_and_arrows_run_to_the_right(
        pairs in proptest::collection::vec((0_usize..30, 1_usize..30), 0..60),
    ) {
        let pairs = pairs.into_iter().map(|(from, step)| (from, from + step)).filter(|(_, to)| *to < 30);
        let arrows: Vec<Arrow> = pairs.map(arrow).collect();
        let layout = lay_out(&[SIZE; 30], &arrows, |at| at % 7 == 0);
        for (at, positioned) in layout.boxes.iter().enumerate() {
            prop_assert!(!layout.boxes[at + 1..].iter().any(|other| overlap(positioned, other)));
            prop_assert!(positioned.corner.x >= 0.0 && positioned.corner.y >= -1e-6);
            prop_assert!(positioned.corner.x + positioned.size.width <= layout.size.width);
        }
        for (arrow, route) in arrows.iter().zip(&layout.routes) {
            let (from, to) = (layout.boxes[arrow.from], layout.boxes[arrow.to]);
            prop_assert_eq!(route[0].x, from.corner.x + from.size.width);
            prop_assert_eq!(route[route.len() - 1].x, to.corner.x);
            prop_assert!(route.is_sorted_by(|one, other| one.x < other.x));
        }
    }
}

#[test]
fn a_chain_is_a_straight_line() {
    let layout = lay_out(&[SIZE; 3], &[arrow((0, 1)), arrow((1, 2))], |_| false);
    assert!(layout.boxes.iter().all(|positioned| positioned.corner.y.abs() < 1e-6));
}

#[test]
fn an_input_of_late_work_stands_next_to_the_work() {
    let layout = lay_out(&[SIZE; 4], &[arrow((0, 1)), arrow((1, 2)), arrow((3, 2))], |_| false);
    assert_eq!(layout.boxes[3].corner.x, layout.boxes[1].corner.x);
}
