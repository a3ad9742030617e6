//! Being asked to stop, by Ctrl-C or by a termination signal.
//!
//! Work asks [`Interrupt::check`] wherever it can stop. What takes long in one piece, such as a
//! name that no server answers for, is not waited for: a process that was asked to stop ends by
//! itself a moment later, unless a [`Hold`] says that there is state to be saved.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a process that was asked to stop may go on where nothing would be lost.
const GRACE: Duration = Duration::from_millis(700);
const TICK: Duration = Duration::from_millis(50);

/// Ctrl-C's number.
const SIGINT: i32 = 2;

/// Whether the process was asked to stop. Clones are asked together.
///
/// [`Interrupt::default`] listens to no signal, only to [`Interrupt::request`].
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    requested: AtomicBool,
    /// The number of the signal.
    signal: AtomicI32,
    holds: AtomicUsize,
    farewell: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

/// Work has ended early because it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl Interrupt {
    /// The process's interrupt: the first Ctrl-C (or SIGTERM, or SIGHUP) asks to stop, the second
    /// ends the process at once, which a checkpoint or a stage in progress survives.
    ///
    /// The handler is installed by the first call; later calls give the same interrupt. A signal
    /// that the process was started with ignored, as by `nohup` or by `&` in a script, stays so.
    pub fn install() -> io::Result<Self> {
        static INSTALLED: OnceLock<Result<Interrupt, String>> = OnceLock::new();
        let installed = INSTALLED.get_or_init(|| {
            let interrupt = Interrupt::default();
            let handled = interrupt.clone();
            let listening = signals::listen(move |signal| handled.signalled(signal));
            listening.map(|()| interrupt).map_err(|error| error.to_string())
        });
        installed.clone().map_err(io::Error::other)
    }

    /// What to do before the process ends by itself.
    pub fn on_exit(&self, farewell: impl FnOnce() + Send + 'static) {
        *self.farewell() = Some(Box::new(farewell));
    }

    /// Whether to stop at the next point from which the run can go on later.
    pub fn requested(&self) -> bool {
        self.0.requested.load(Ordering::Relaxed)
    }

    /// [`Interrupt::requested`] as an error, for `?`.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.requested() { Err(Interrupted) } else { Ok(()) }
    }

    /// Asks to stop. Tells whether that was asked before.
    pub fn request(&self) -> bool {
        self.0.requested.swap(true, Ordering::Relaxed)
    }

    /// Keeps the process from ending by itself for as long as the result lives. Whoever holds it
    /// asks often whether to stop, and saves what would be lost.
    pub fn hold(&self) -> Hold<'_> {
        self.0.holds.fetch_add(1, Ordering::Relaxed);
        Hold(self)
    }

    /// The exit status of a process that was asked to stop: 128 and the signal's number.
    pub fn exit_status(&self) -> u8 {
        let signal = match self.0.signal.load(Ordering::Relaxed) {
            0 => SIGINT,
            signal => signal,
        };
        u8::try_from(128 + signal).unwrap_or(u8::MAX)
    }

    fn farewell(&self) -> std::sync::MutexGuard<'_, Option<Box<dyn FnOnce() + Send>>> {
        self.0.farewell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signalled(&self, signal: i32) {
        self.0.signal.store(signal, Ordering::Relaxed);
        if self.request() {
            end_process(self.exit_status());
        }
        // On a line of its own, whatever progress line is being drawn. After SIGHUP there is
        // nobody left to read it.
        let _ = writeln!(io::stderr(), "\nstopping; again to stop at once");
        let interrupt = self.clone();
        thread::spawn(move || interrupt.end_soon());
    }

    /// Ends the process once nothing has been held for [`GRACE`].
    fn end_soon(&self) {
        let mut quiet = Duration::ZERO;
        while quiet < GRACE {
            thread::sleep(TICK);
            let held = self.0.holds.load(Ordering::Relaxed) > 0;
            quiet = if held { Duration::ZERO } else { quiet + TICK };
        }
        if let Some(farewell) = self.farewell().take() {
            farewell();
        }
        end_process(self.exit_status());
    }
}

/// See [`Interrupt::hold`].
pub struct Hold<'a>(&'a Interrupt);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.0.holds.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped; the same command goes on from here")
    }
}

impl std::error::Error for Interrupted {}

#[cfg(unix)]
mod signals {
    use std::{io, ptr, thread};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    /// Calls `handle` with the number of each signal, on a thread of its own.
    pub fn listen(handle: impl Fn(i32) + Send + 'static) -> io::Result<()> {
        let heeded = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
        let mut signals = Signals::new(heeded)?;
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                handle(signal);
            }
        })?;
        Ok(())
    }

    fn is_ignored(signal: i32) -> bool {
        // SAFETY: all zeros is a `sigaction`, and with no new one the call only writes to it.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let told = libc::sigaction(signal, ptr::null(), &mut action) == 0;
            told && action.sa_sigaction == libc::SIG_IGN
        }
    }
}

#[cfg(not(unix))]
mod signals {
    use std::io;

    /// Calls `handle` with the number of Ctrl-C, on a thread of its own.
    pub fn listen(handle: impl Fn(i32) + Send + 'static) -> io::Result<()> {
        ctrlc::try_set_handler(move || handle(super::SIGINT)).map_err(io::Error::other)
    }
}

/// Ends the process without its destructors: other threads are still at work on what these free.
fn end_process(status: u8) -> ! {
    #[cfg(unix)]
    // SAFETY: it takes any number and does not return.
    unsafe {
        libc::_exit(i32::from(status))
    }
    #[cfg(not(unix))]
    std::process::exit(i32::from(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_asked_together_and_the_second_time_is_told() {
        let interrupt = Interrupt::default();
        let clone = interrupt.clone();
        assert_eq!(interrupt.check(), Ok(()));
        assert!(!clone.request());
        assert_eq!(interrupt.check(), Err(Interrupted));
        assert!(interrupt.request());
        assert!(!Interrupt::default().requested());
        assert_eq!(interrupt.exit_status(), 130);
    }

    #[test]
    fn installing_twice_gives_the_same_interrupt() {
        let first = Interrupt::install().unwrap();
        let second = Interrupt::install().unwrap();
        assert!(Arc::ptr_eq(&first.0, &second.0));
        assert!(!first.requested());
    }
}
