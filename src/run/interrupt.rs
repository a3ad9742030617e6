//! Being asked to stop, by Ctrl-C or by a termination signal.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::error::RunError;

/// The exit status of a process that Ctrl-C ended: 128 and SIGINT's number.
pub const EXIT_STATUS: i32 = 130;

/// Whether the run was asked to stop. Clones are asked together.
///
/// [`Interrupt::default`] listens to no signal, only to [`Interrupt::request`].
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// The process's interrupt: the first Ctrl-C (or SIGTERM, or SIGHUP) asks to stop, the second
    /// exits at once with status 130, which a checkpoint or a stage in progress survives.
    ///
    /// The handler is installed by the first call; later calls give the same interrupt. A process
    /// that was started with one of these signals ignored, as by `nohup` or by `&` in a script, is
    /// meant to outlive its terminal: it gets no handler, and SIGTERM ends it at once, which costs
    /// the steps since the last checkpoint.
    pub fn install() -> Result<Self, RunError> {
        static INSTALLED: OnceLock<Result<Interrupt, String>> = OnceLock::new();
        let installed = INSTALLED.get_or_init(|| {
            let interrupt = Interrupt::default();
            let handled = interrupt.clone();
            match ctrlc::try_set_handler(move || handled.signalled()) {
                Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(interrupt),
                Err(error) => Err(error.to_string()),
            }
        });
        installed.clone().map_err(|cause| RunError::SignalsUnavailable { cause })
    }

    fn signalled(&self) {
        if self.request() {
            std::process::exit(EXIT_STATUS);
        }
        // On a line of its own, whatever progress line is being drawn. After SIGHUP there is
        // nobody left to read it.
        let _ = writeln!(std::io::stderr(), "\nstopping after this step; again to stop at once");
    }

    /// Whether to stop at the next point from which the run can go on later.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks to stop. Tells whether that was asked before.
    pub fn request(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_asked_together_and_the_second_time_is_told() {
        let interrupt = Interrupt::default();
        let clone = interrupt.clone();
        assert!(!interrupt.requested());
        assert!(!clone.request());
        assert!(interrupt.requested());
        assert!(interrupt.request());
        assert!(!Interrupt::default().requested());
    }

    #[test]
    fn installing_twice_gives_the_same_interrupt() {
        let first = Interrupt::install().unwrap();
        let second = Interrupt::install().unwrap();
        assert!(Arc::ptr_eq(&first.0, &second.0));
        assert!(!first.requested());
    }
}
