//! Progress of downloads.

use std::io::{self, Write};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress of a download, counted in bytes: `inc` it by what has arrived, and `finish_and_clear`
/// it. Where standard error is no terminal, one line tells that the download has begun.
pub fn download_bar(name: &str, total: Option<u64>, quiet: bool) -> ProgressBar {
    let target = ProgressDrawTarget::stderr();
    if quiet {
        return ProgressBar::hidden();
    }
    if target.is_hidden() {
        let _ = writeln!(io::stderr(), "{}", download_line(name, total));
    }
    let template = match total {
        Some(_) => "{msg} [{bar:20}] {bytes}/{total_bytes}, {bytes_per_sec}, {eta_precise} left",
        None => "{msg} {bytes}, {bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template).expect("a constant template");
    let bar = ProgressBar::with_draw_target(total, target);
    bar.with_style(style.progress_chars("=> ")).with_message(format!("downloading {name}"))
}

fn download_line(name: &str, total: Option<u64>) -> String {
    let size = total.map_or(String::new(), |total| format!(" ({})", HumanBytes(total)));
    format!("downloading {name}{size}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_told_where_it_is_known() {
        let line = download_line("cifar10", Some(170_498_071));
        assert_eq!(line, "downloading cifar10 (162.60 MiB)");
        assert_eq!(download_line("cifar10", None), "downloading cifar10");
    }
}
