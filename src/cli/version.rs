//! What was built, from what, by which compiler.

/// The build of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// The package's version.
    pub version: &'static str,
    /// The revision of the source, where the build said it in `SMS_EXPORTER_REVISION`.
    pub revision: &'static str,
    /// The compiler's version, where the build said it in `SMS_EXPORTER_RUSTC`.
    pub rustc: &'static str,
}

/// This build.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    revision: said(option_env!("SMS_EXPORTER_REVISION")),
    rustc: said(option_env!("SMS_EXPORTER_RUSTC")),
};

const fn said(text: Option<&'static str>) -> &'static str {
    match text {
        Some(text) if !text.is_empty() => text,
        _ => "unknown",
    }
}

/// What `--version` prints, in the manner of Prometheus' exporters; ends with a newline.
#[must_use]
pub fn version() -> String {
    let Build { version, revision, rustc } = BUILD;
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!(
        "{}, version {version} (revision: {revision})\n  rustc:     {rustc}\n  platform:  {os}/{arch}\n",
        super::NAME
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_as_prometheus_exporters_print_it() {
        let first = format!("sms-exporter, version {} (revision: ", env!("CARGO_PKG_VERSION"));
        assert!(version().starts_with(&first), "{}", version());
        assert_eq!(version().lines().count(), 3);
    }

    #[test]
    fn what_the_build_did_not_say_is_unknown() {
        assert_eq!((said(None), said(Some("")), said(Some("abc"))), ("unknown", "unknown", "abc"));
    }
}
