//! What either program says when it must end at once.
//!
//! A panic is a fault of the program, unless the machine gave it no thread, file or memory: libraries panic then, too.

use std::panic::PanicHookInfo;

/// Why a program ends at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The machine, or a limit of it, gives no more; in the system's words.
    Shortage(&'static str),
    /// A fault of the program, at this place in it.
    Bug(String),
}

/// The errors that say that something has run out: EAGAIN, ENOMEM, ENFILE, EMFILE (errno(3), Linux).
const SHORTAGES: [(u32, &str); 4] = [
    (11, "Resource temporarily unavailable"),
    (12, "Cannot allocate memory"),
    (23, "Too many open files in system"),
    (24, "Too many open files"),
];

impl Crash {
    /// Reads a panic; see [`Crash::of`].
    pub fn of_panic(panic: &PanicHookInfo<'_>) -> Self {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        Self::of(panic.payload_as_str().unwrap_or_default(), &place)
    }

    /// Reads what a panic said and where it was. What it said is told only where it is an error of the system: it may
    /// hold what is in an item.
    pub fn of(said: &str, place: &str) -> Self {
        match shortage(said) {
            Some(words) => Self::Shortage(words),
            None => Self::Bug(place.to_owned()),
        }
    }

    /// One line for people.
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

/// An error of the system, as `io::Error` shows itself for people (`… (os error 11)`) and for programmers
/// (`Os { code: 11, … }`).
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
