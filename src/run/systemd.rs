//! What systemd is told, where it started the exporter with `Type=notify`: elsewhere nothing happens.

use sd_notify::NotifyState;

/// The exporter serves, and takes signals: `systemctl start` returns now, and a reload may follow.
pub(super) fn ready() {
    tell(NotifyState::Ready);
}

/// The exporter ends.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

/// Every loop turns; systemd ends a unit with `WatchdogSec` that does not say so in time.
pub(super) fn alive() {
    // Said every few seconds, and what systemd does not hear it acts on by itself.
    if let Err(error) = sd_notify::notify(&[NotifyState::Watchdog]) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}
