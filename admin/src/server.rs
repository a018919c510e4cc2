//! The HTTP server: which layers a request passes, and the address it listens on.

use std::io;
use std::net::{SocketAddr, TcpListener};

use actix_web::dev::Server;
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};

use crate::access::{self, Access};
use crate::admin::Admin;
use crate::patience::{self, Patience};
use crate::{api, health, pages, request_log, routing};

/// Few people use the admin app at once; the store does its work on other threads.
const WORKERS: usize = 2;

/// Seconds that requests in flight get to finish when the app is told to stop.
const SHUTDOWN_SECONDS: u64 = 5;

/// Nothing but this app's own stylesheet and script may be loaded, and nobody may frame it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Takes the address.
///
/// # Errors
/// When another program has it or this one may not take it.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    // `TcpListener::bind` sets SO_REUSEADDR on Unix, so that a restart does not wait
    // for old connections; a second live listener is still refused.
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves on `listener` until SIGINT or SIGTERM.
///
/// # Errors
/// When the listener cannot be used.
pub(crate) fn serve(
    listener: TcpListener,
    access: Access,
    admin: Admin,
    patience: Patience,
) -> io::Result<Server> {
    let access = Data::new(access);
    let patience = Data::new(patience);
    let admin = Data::new(admin);
    let server = HttpServer::new(move || {
        // Layers run from the last to the first: log, patience, headers, pages of failures,
        // access.
        App::new()
            .app_data(access.clone())
            .app_data(admin.clone())
            .app_data(patience.clone())
            .configure(routing::refusals)
            .configure(health::routes)
            .configure(api::routes)
            .configure(pages::routes)
            .default_service(web::to(routing::unknown_path))
            .wrap(from_fn(access::guard))
            .wrap(from_fn(pages::error_page::dress))
            .wrap(Compress::default())
            .wrap(
                DefaultHeaders::new()
                    .add(("content-security-policy", CONTENT_SECURITY_POLICY))
                    .add(("x-content-type-options", "nosniff"))
                    .add(("x-frame-options", "DENY"))
                    // Not no-referrer: browsers then send forms with `Origin: null`, as from
                    // another site.
                    .add(("referrer-policy", "same-origin"))
                    .add(("cross-origin-resource-policy", "same-origin"))
                    .add(("cache-control", "no-store")),
            )
            // Outside of what makes other answers: they are to hold the body too.
            .wrap(from_fn(patience::limit))
            .wrap(from_fn(request_log::log))
    })
    .workers(WORKERS)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .listen(listener)?;
    Ok(server.run())
}
