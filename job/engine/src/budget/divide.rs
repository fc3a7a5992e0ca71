//! Max-min fair division.

/// Divides `available` among `needs`. Nobody receives more than it needs, and nobody receives less than another
/// unless it needs less. The shares add up to exactly `min(available, Σ needs)`.
///
/// When there is not enough for all, only `many` receive a share, or as many as it takes to use up `available`: the
/// shares of a thousand workers would be too small to be of use, and each costs a message. `next` is the index whose
/// turn it is; it moves on with each call, so that all get their turn. It also decides who receives the remainders.
pub(crate) fn divide(mut available: u64, needs: &[u64], many: usize, next: &mut usize) -> Vec<u64> {
    let mut shares = vec![0; needs.len()];
    let first = next.checked_rem(needs.len()).unwrap_or(0);
    let mut order: Vec<usize> = (first..needs.len()).chain(0..first).filter(|&who| needs[who] > 0).collect();
    let mut needed = 0;
    let enough = order.iter().take_while(|&&who| {
        let is_short = needed < available;
        needed += needs[who];
        is_short
    });
    let num_served = enough.count().max(many).min(order.len());
    *next = if num_served < order.len() { order[num_served] } else { first + 1 };
    order.truncate(num_served);
    // Small needs first: what they leave of an equal share goes to the others.
    order.sort_by_key(|&who| needs[who]);
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

    const ALL: usize = usize::MAX;

    #[test]
    fn who_needs_little_leaves_the_rest_to_the_others() {
        assert_eq!(divide(90, &[10, 100, 100], ALL, &mut 0), [10, 40, 40]);
        assert_eq!(divide(1000, &[10, 100, 100], ALL, &mut 0), [10, 100, 100]);
        assert_eq!(divide(5, &[], ALL, &mut 3), Vec::<u64>::new());
    }

    #[test]
    fn of_many_some_get_something_and_the_others_the_next_time() {
        let mut next = 0;
        let needs = [50, 0, 50, 50, 50];
        assert_eq!(divide(20, &needs, 2, &mut next), [10, 0, 10, 0, 0]);
        assert_eq!(divide(20, &needs, 2, &mut next), [0, 0, 0, 10, 10]);
        assert_eq!(divide(20, &needs, 2, &mut next), [10, 0, 10, 0, 0]);
        assert_eq!(
            divide(120, &needs, 2, &mut next),
            [40, 0, 0, 40, 40],
            "nothing that is needed is left over"
        );
    }

    proptest! {
        #[test]
        fn shares_add_up_and_are_fair_among_those_whose_turn_it_is(
            available in 0u64..1_000_000,
            needs in proptest::collection::vec(0u64..100_000, 0..50),
            many in 1usize..60,
            mut next in 0usize..100,
        ) {
            let shares = divide(available, &needs, many, &mut next);
            prop_assert_eq!(shares.iter().sum::<u64>(), available.min(needs.iter().sum()));
            let largest = shares.iter().max().copied().unwrap_or(0);
            for (share, need) in shares.iter().zip(&needs) {
                prop_assert!(share <= need);
                prop_assert!(many < needs.len() || share == need || *share + 1 >= largest);
            }
        }

        #[test]
        fn everybody_gets_something_in_time(
            needs in proptest::collection::vec(1u64..100_000, 1..50),
            many in 1usize..10,
        ) {
            let (mut next, mut got) = (0, vec![0; needs.len()]);
            for _ in 0..needs.len().div_ceil(many) {
                let shares = divide(many as u64, &needs, many, &mut next);
                got.iter_mut().zip(shares).for_each(|(got, share)| *got += share);
            }
            prop_assert!(got.iter().all(|&got| got > 0), "{:?}", got);
        }
    }
}
