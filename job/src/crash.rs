//! What a program reports when it panics.
//!
//! A panic is a bug of the program, unless the machine gave it no thread, file or memory: libraries panic then, too.

use std::panic::PanicHookInfo;

/// Why a program panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The machine, or a limit on it, gives no more; in the system's words.
    Shortage(&'static str),
    /// A bug, at this place in the source.
    Bug(String),
}

/// The errors for exhausted resources: EAGAIN, ENOMEM, ENFILE, EMFILE (errno(3), Linux).
const SHORTAGES: [(u32, &str); 4] = [
    (11, "Resource temporarily unavailable"),
    (12, "Cannot allocate memory"),
    (23, "Too many open files in system"),
    (24, "Too many open files"),
];

impl Crash {
    /// Classifies a panic; see [`Crash::of`].
    pub fn of_panic(panic: &PanicHookInfo<'_>) -> Self {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        Self::of(panic.payload_as_str().unwrap_or_default(), &place)
    }

    /// Classifies a panic by its message and place. Only an error of the system is kept from the message: the rest may
    /// contain data of an item.
    pub fn of(said: &str, place: &str) -> Self {
        match shortage(said) {
            Some(words) => Self::Shortage(words),
            None => Self::Bug(place.to_owned()),
        }
    }

    /// One line for the user.
    pub fn text(&self, version: &str) -> String {
        match self {
            Self::Shortage(words) => format!(
                "this machine allows no more threads, open files or memory ({words}): raise the limits of \
                 this user or container (ulimit -u, -n, -v)"
            ),
            Self::Bug(place) => format!("internal error at {place} of version {version}: please report it"),
        }
    }
}

/// Finds an error of the system, in the `Display` (`… (os error 11)`) or `Debug` form (`Os { code: 11, … }`) of
/// `io::Error`.
fn shortage(said: &str) -> Option<&'static str> {
    let says = |number: u32| {
        said.contains(&format!("(os error {number})")) || said.contains(&format!("Os {{ code: {number},"))
    };
    SHORTAGES.iter().find(|(number, _)| says(*number)).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_gives_no_more_is_told_from_a_fault_of_the_program() {
        for said in [
            "OS can't spawn worker thread: Resource temporarily unavailable (os error 11)",
            r#"failed to create UnixStream: Os { code: 24, kind: Uncategorized, message: "Too many open files" }"#,
        ] {
            let crash = Crash::of(said, "pool.rs:1");
            assert!(matches!(crash, Crash::Shortage(_)), "{said}");
            assert!(crash.text("1").contains("ulimit -u"));
        }
        let crash = Crash::of("index out of bounds: the secret item is (os error 2)", "x.rs:7");
        assert_eq!(crash, Crash::Bug("x.rs:7".into()));
        let text = crash.text("0.1.0");
        assert!(
            text.contains("x.rs:7 of version 0.1.0: please report it") && !text.contains("secret"),
            "{text}"
        );
    }
}
