//! One simulator: its options, its listening socket and its handle.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::line::{Control, Line, Reset};
use crate::record::{Connected, RecordedRequest, Recorder, Served, WaitedTooLong};
use crate::script::Script;
use crate::service::{Connection, Service};
use crate::tls::{self, Tls};
use crate::vendor::{Flavor, models};

/// How a simulator behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The vendor it plays.
    pub flavor: Flavor,
    /// The address it listens at, for plain HTTP; TLS is served at `localhost` alone.
    pub address: Ipv4Addr,
    /// Port there; 0 takes a free one.
    pub port: u16,
    /// TLS with a fresh authority; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// The key callers must show; `None` lets everyone in.
    pub key: Option<String>,
    /// Model ids it knows; empty takes the vendor's usual ones. `sim-model` is among those.
    pub models: Vec<String>,
    /// Check requests as the vendor does. Without it only what a canned answer depends on
    /// is looked for, and the model is always `sim-model`: for benchmarks.
    pub validate: bool,
    /// Whose signatures of thinking it takes: those of simulators with the same number, by
    /// the same model.
    pub signer: u64,
    /// How many of the latest requests are kept with their bodies; 0 keeps none.
    pub record: usize,
    /// What every call is told to do, unless it brings a script of its own.
    pub script: Script,
    /// How long the waiting functions wait.
    pub patience: Duration,
}

impl Default for Options {
    /// Plain OpenAI on a free port: no key, checks on, the last 1,000 requests kept.
    fn default() -> Options {
        Options {
            flavor: Flavor::OpenAi,
            address: Ipv4Addr::LOCALHOST,
            port: 0,
            tls: None,
            key: None,
            models: Vec::new(),
            validate: true,
            signer: 0,
            record: 1000,
            script: Script::default(),
            patience: Duration::from_secs(20),
        }
    }
}

/// A running simulator; dropping it stops it.
pub struct Sim {
    addr: SocketAddr,
    ca_pem: Option<String>,
    service: Arc<Service>,
    patience: Duration,
    acceptor: Option<TlsAcceptor>,
    /// What listens; nothing while the simulator is down.
    listening: Mutex<Option<Listening>>,
}

/// A listening socket and its connections.
struct Listening {
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Listening {
    fn start(
        listener: TcpListener,
        acceptor: Option<TlsAcceptor>,
        service: Arc<Service>,
    ) -> Listening {
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, acceptor, service, stopped));
        Listening { stop, accepting }
    }
}

impl Sim {
    /// Binds and starts serving.
    ///
    /// # Errors
    /// When the port is taken or the certificates cannot be made.
    pub async fn start(options: Options) -> io::Result<Sim> {
        let material = options.tls.as_ref().map(tls::material).transpose()?;
        let (acceptor, ca_pem) = match material {
            Some(material) => (
                Some(TlsAcceptor::from(material.config)),
                Some(material.ca_pem),
            ),
            None => (None, None),
        };
        let listener = listen(SocketAddr::from((options.address, options.port)))?;
        let addr = listener.local_addr()?;
        let patience = options.patience;
        let service = Arc::new(Service::new(
            options.flavor,
            options.key,
            if options.models.is_empty() {
                models::standard(options.flavor)
            } else {
                options.models
            },
            options.validate,
            options.signer,
            options.script,
            Arc::new(Recorder::new(options.record)),
        ));
        let listening = Listening::start(listener, acceptor.clone(), Arc::clone(&service));
        Ok(Sim {
            addr,
            ca_pem,
            service,
            patience,
            acceptor,
            listening: Mutex::new(Some(listening)),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The vendor it plays.
    pub fn flavor(&self) -> Flavor {
        self.service.flavor
    }

    /// `http://127.0.0.1:<port>`, or `https://localhost:<port>` with TLS; no path.
    pub fn base_url(&self) -> String {
        match self.ca_pem {
            Some(_) => format!("https://localhost:{}", self.addr.port()),
            None => format!("http://{}", self.addr),
        }
    }

    /// The authority that signed the server certificate, when there is TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The latest requests, oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.service.recorder.requests()
    }

    /// The latest request.
    pub fn last_request(&self) -> Option<RecordedRequest> {
        self.requests().pop()
    }

    /// Drops the kept requests; the counters go on.
    pub fn forget_requests(&self) {
        self.service.recorder.forget();
    }

    /// The counters.
    pub fn served(&self) -> Served {
        self.service.recorder.served()
    }

    /// Replaces what calls without a script of their own are told to do.
    pub fn set_script(&self, script: Script) {
        self.service.set_script(script);
    }

    /// The context (`num_ctx`) of each time an Ollama has loaded a model, oldest first.
    pub fn loads(&self, model: &str) -> Vec<u64> {
        let model = crate::vendor::ollama::full_name(model);
        self.service.loaded.loads(&model)
    }

    /// Ids of the jobs of a RunPod that were cancelled before they were done.
    pub fn cancelled(&self) -> Vec<String> {
        self.service.jobs.cancelled()
    }

    /// Lets calls with a `gate` go on, those that wait and those to come.
    pub fn open_gate(&self) {
        self.service.gate.send_replace(true);
    }

    /// Makes calls with a `gate` wait again; at the start they do.
    pub fn close_gate(&self) {
        self.service.gate.send_replace(false);
    }

    /// Waits until the counters satisfy `reached`.
    ///
    /// # Errors
    /// After [`Options::patience`].
    pub async fn wait_until(
        &self,
        reached: impl FnMut(&Served) -> bool,
    ) -> Result<Served, WaitedTooLong> {
        self.service.recorder.until(self.patience, reached).await
    }

    /// Waits until `count` requests have arrived whole since the start; they are kept then.
    ///
    /// # Errors
    /// After [`Options::patience`].
    pub async fn wait_for_requests(&self, count: u64) -> Result<Served, WaitedTooLong> {
        self.wait_until(|served| served.received >= count).await
    }

    /// Waits until `count` callers have hung up early since the start.
    ///
    /// # Errors
    /// After [`Options::patience`].
    pub async fn wait_for_cancelled(&self, count: u64) -> Result<Served, WaitedTooLong> {
        self.wait_until(|served| served.cancelled >= count).await
    }

    /// Requests being answered.
    pub fn open_requests(&self) -> u64 {
        self.served().open()
    }

    /// Connections that are open.
    pub fn open_connections(&self) -> u64 {
        self.served().open_connections()
    }

    /// Stops listening and closes every connection where it stands, as a process that
    /// dies. Requests, counters, jobs and loaded models are kept for [`Sim::up`].
    pub async fn down(&self) {
        let listening = self.listening().take();
        if let Some(listening) = listening {
            listening.stop.send_replace(true);
            // Ends at once: the task watches the same signal.
            let _ended = listening.accepting.await;
        }
    }

    /// Listens again on the same port; nothing happens if the simulator is not down.
    ///
    /// # Errors
    /// When somebody else has taken the port.
    pub fn up(&self) -> io::Result<()> {
        let mut listening = self.listening();
        if listening.is_none() {
            let listener = listen(self.addr)?;
            let acceptor = self.acceptor.clone();
            *listening = Some(Listening::start(
                listener,
                acceptor,
                Arc::clone(&self.service),
            ));
        }
        Ok(())
    }

    /// Stops for good.
    pub async fn stop(self) {
        self.down().await;
    }

    fn listening(&self) -> MutexGuard<'_, Option<Listening>> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if let Some(listening) = self.listening().take() {
            listening.stop.send_replace(true);
            listening.accepting.abort();
        }
    }
}

/// Thousands of callers may come at once: a long queue of them.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    service: Arc<Service>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|&stopped| stopped) => return,
        };
        let Ok((socket, _)) = accepted else {
            // Out of descriptors, most likely: let some connections end first.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let connected = service.recorder.connection();
        let acceptor = acceptor.clone();
        let service = Arc::clone(&service);
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = connection(socket, acceptor, service, &connected) => {}
                _ = stopped.wait_for(|&stopped| stopped) => {}
            }
        });
    }
}

async fn connection(
    socket: TcpStream,
    acceptor: Option<TlsAcceptor>,
    service: Arc<Service>,
    connected: &Connected,
) {
    // Small events must leave at once; a socket that refuses is about to fail anyway.
    let _nodelay = socket.set_nodelay(true);
    match acceptor {
        None => serve(socket, service, connected.number).await,
        Some(acceptor) => {
            // A caller that distrusts the certificate ends here; its own error tells why.
            if let Ok(stream) = acceptor.accept(socket).await {
                serve(stream, service, connected.number).await;
            }
        }
    }
}

async fn serve<S>(stream: S, service: Arc<Service>, number: u64)
where
    S: AsyncRead + AsyncWrite + Reset + Unpin + Send + 'static,
{
    let control = Arc::new(Control::default());
    let connection = Arc::new(Connection {
        number,
        control: Arc::clone(&control),
    });
    let io = TokioIo::new(Line::new(stream, control));
    let answer = hyper::service::service_fn(move |request| {
        let service = Arc::clone(&service);
        let connection = Arc::clone(&connection);
        async move { Ok::<_, std::convert::Infallible>(service.answer(&connection, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(10_000);
    // Errors are scripted cuts and callers that hang up; both are counted elsewhere.
    let _ended = builder.serve_connection(io, answer).await;
}
