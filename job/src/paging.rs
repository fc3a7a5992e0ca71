//! Reads of pages, where each reply says where the next page begins.

/// Detects a cycle of page tokens: reading from such a server would never end.
///
/// It uses Brent's algorithm: it keeps one token and compares each new one with it. The kept token is replaced after 1,
/// 2, 4, … pages. So a cycle of any length is found, after less than four times its length plus what came before it.
#[derive(Clone, Debug)]
pub struct SeenTokens<T> {
    kept: Option<T>,
    since: u64,
    replace_after: u64,
}

/// The page tokens form a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server keeps returning the same page token, so the listing would never end")]
pub struct TokenRepeats;

impl<T> Default for SeenTokens<T> {
    fn default() -> Self {
        Self { kept: None, since: 0, replace_after: 1 }
    }
}

impl<T: PartialEq + Clone> SeenTokens<T> {
    /// Records that the next page begins at `token`.
    ///
    /// # Errors
    /// Fails if the kept page began there, too.
    pub fn next(&mut self, token: &T) -> Result<(), TokenRepeats> {
        if self.kept.as_ref() == Some(token) {
            return Err(TokenRepeats);
        }
        if self.kept.is_none() || self.since == self.replace_after {
            self.replace_after *= if self.kept.is_some() { 2 } else { 1 };
            self.kept = Some(token.clone());
            self.since = 0;
        }
        self.since += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many tokens, at most `most`, are accepted before one is refused.
    fn taken(token: impl Fn(u64) -> u64, most: u64) -> u64 {
        let mut tokens = SeenTokens::default();
        (0..most).take_while(|&page| tokens.next(&token(page)).is_ok()).count() as u64
    }

    #[test]
    fn tokens_that_move_on_are_taken_for_ever() {
        assert_eq!(taken(|page| page, 100_000), 100_000);
    }

    #[test]
    fn a_token_that_does_not_move_is_refused_at_once() {
        assert_eq!(taken(|_| 7, 100), 1);
        assert!(taken(|page| page.min(50), 1_000) < 200, "also one that moved before");
    }

    #[test]
    fn a_circle_of_any_length_is_found_wherever_it_begins() {
        for length in 1..70 {
            for before in [0, 1, 5, 40] {
                let circle = |page: u64| if page < before { 1_000 + page } else { (page - before) % length };
                let pages = taken(circle, 100_000);
                assert!(pages <= 4 * (length + before), "{length} after {before}: {pages}");
            }
        }
    }
}
