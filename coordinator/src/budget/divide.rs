//! Max-min fair division.

/// Divides `available` among `needs`: nobody gets more than it needs, and nobody gets less than
/// another unless it needs less. What is given adds up to `min(available, Σ needs)` exactly.
///
/// `turn` decides who gets the odd remainders, so that they go round.
pub(crate) fn divide(mut available: u64, needs: &[u64], turn: usize) -> Vec<u64> {
    let mut order: Vec<usize> = (0..needs.len()).collect();
    if let Some(first) = turn.checked_rem(order.len()) {
        order.rotate_left(first);
    }
    // Small needs first: what they leave of an equal share is everybody else's.
    order.sort_by_key(|&who| needs[who]);
    let mut shares = vec![0; needs.len()];
    let mut left = order.len() as u64;
    for who in order {
        let share = needs[who].min(available.div_ceil(left));
        shares[who] = share;
        available -= share;
        left -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_needs_little_leaves_the_rest_to_the_others() {
        assert_eq!(divide(90, &[10, 100, 100], 0), [10, 40, 40]);
        assert_eq!(divide(1000, &[10, 100, 100], 0), [10, 100, 100]);
        assert_eq!(divide(5, &[], 3), Vec::<u64>::new());
    }

    proptest! {
        #[test]
        fn shares_add_up_and_are_fair(
            available in 0u64..1_000_000,
            needs in proptest::collection::vec(0u64..100_000, 0..50),
            turn in 0usize..100,
        ) {
            let shares = divide(available, &needs, turn);
            prop_assert_eq!(shares.iter().sum::<u64>(), available.min(needs.iter().sum()));
            let largest = shares.iter().max().copied().unwrap_or(0);
            for (share, need) in shares.iter().zip(&needs) {
                prop_assert!(share <= need);
                prop_assert!(share == need || *share + 1 >= largest);
            }
        }
    }
}
