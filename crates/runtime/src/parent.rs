//! Child processes that die with their parent, however the parent dies.
//!
//! A parent that wants this sets [`PARENT_PID_VAR`] for its child; the child calls [`die_with_parent`] first thing
//! in `main`. On Linux it asks the kernel for SIGKILL at its parent's death (`PR_SET_PDEATHSIG`), which also ends
//! a child that is stopped by SIGSTOP, and which no crash of the parent can skip. A parent that died before
//! the call is noticed because the child has another parent by then.
//!
//! The kernel's notion of a parent is the *thread* that forked: a parent must start such children from a thread
//! that lives as long as itself (`local_cluster` keeps one for this).

/// Environment variable by which a parent gives its process id to a child that is to die with it.
pub const PARENT_PID_VAR: &str = "DMQ_PARENT_PID";

/// Ties this process to its parent if the parent asked for it. Exits at once if the parent is already gone.
pub fn die_with_parent() {
    let Some(parent) = std::env::var(PARENT_PID_VAR).ok().and_then(|pid| pid.parse::<i32>().ok()) else {
        return;
    };
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL) {
        eprintln!("cannot tie this process to its parent {parent}: {error}");
    }
    #[cfg(not(target_os = "linux"))]
    poll_parent(parent);
    if nix::unistd::getppid().as_raw() != parent {
        std::process::exit(1);
    }
}

/// Systems without a death signal: asks once a second who the parent is.
#[cfg(not(target_os = "linux"))]
fn poll_parent(parent: i32) {
    std::thread::spawn(move || {
        while nix::unistd::getppid().as_raw() == parent {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        std::process::exit(1);
    });
}
