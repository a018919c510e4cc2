//! Who may use the admin app.

use std::net::IpAddr;

use super::{Config, ConfigProblem};

/// How the admin app treats a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminAccess {
    /// Every admin call needs a login.
    RequireLogin,
    /// Admin calls need no login: only this machine reaches the app, or the operator said
    /// in so many words that it may be open.
    Open,
}

impl AdminAccess {
    /// Decides from what the operator set.
    ///
    /// # Errors
    /// When the app would be open to a network and the operator did not say that it may.
    pub fn decide(
        auth_enabled: bool,
        admin_bind: IpAddr,
        admin_allow_open: bool,
    ) -> Result<Self, ConfigProblem> {
        if auth_enabled {
            Ok(Self::RequireLogin)
        } else if admin_bind.is_loopback() || admin_allow_open {
            Ok(Self::Open)
        } else {
            Err(ConfigProblem::new(
                "AUTH_ENABLED",
                format!(
                    "is false while ADMIN_BIND is {admin_bind}, so anyone on that network could \
                     read and change everything; set ADMIN_BIND to 127.0.0.1, or AUTH_ENABLED \
                     to true, or ADMIN_ALLOW_OPEN to true if that is what you want"
                ),
            ))
        }
    }
}

impl Config {
    /// Who may use the admin app under this configuration.
    ///
    /// # Errors
    /// See [`AdminAccess::decide`].
    pub fn admin_access(&self) -> Result<AdminAccess, ConfigProblem> {
        AdminAccess::decide(self.auth_enabled, self.admin_bind, self.admin_allow_open)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::AdminAccess::{self, Open, RequireLogin};

    #[test]
    fn every_combination() {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let here6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let all = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        for (auth, bind, allow, expected) in [
            (true, here, false, Some(RequireLogin)),
            (true, all, false, Some(RequireLogin)),
            (true, all, true, Some(RequireLogin)),
            (false, here, false, Some(Open)),
            (false, here6, false, Some(Open)),
            (false, all, true, Some(Open)),
            (false, all, false, None),
        ] {
            let decided = AdminAccess::decide(auth, bind, allow);
            assert_eq!(
                decided.as_ref().ok(),
                expected.as_ref(),
                "{auth} {bind} {allow}"
            );
            if let Err(problem) = decided {
                assert!(problem.to_string().contains("ADMIN_ALLOW_OPEN"));
            }
        }
    }
}
