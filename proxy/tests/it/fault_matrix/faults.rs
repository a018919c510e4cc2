//! The faults, and what each comes to.

/// What goes wrong.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) how: How,
    /// What a streamed call comes to.
    stream: Meant,
    /// What a call without a stream comes to.
    whole: Meant,
}

impl Fault {
    /// What it comes to in that form.
    pub(crate) fn meant(&self, stream: bool) -> Meant {
        if stream { self.stream } else { self.whole }
    }
}

/// How it is brought about.
pub(crate) enum How {
    /// The simulator plays this.
    Script(&'static str),
    /// The endpoint leads elsewhere.
    At(Place),
    /// The endpoint has another key.
    Key,
}

pub(crate) enum Place {
    NoListener,
    NoHost,
    NoTls,
    UnknownAuthority,
    NoRoom,
}

/// What a fault comes to.
#[derive(Clone, Copy)]
pub(crate) enum Meant {
    /// The next candidate is asked. Without one the caller gets this status, and this
    /// code where the words are the gateway's own.
    Next(u16, Option<&'static str>),
    /// The caller is told at once.
    Told(u16),
    /// The answer had begun: it ends with an error event of this code, and the ledger
    /// has this outcome.
    Broken(&'static str, &'static str),
    /// The next candidate is asked. Without one the answer is passed on as it is.
    Empty,
    /// It cannot happen in this form.
    Never,
}

pub(crate) use How::{At, Key, Script};
pub(crate) use Meant::{Broken, Empty, Never, Next, Told};

const fn fault(name: &'static str, how: How, stream: Meant, whole: Meant) -> Fault {
    Fault {
        name,
        how,
        stream,
        whole,
    }
}

const fn both(name: &'static str, how: How, meant: Meant) -> Fault {
    fault(name, how, meant, meant)
}

const UNREACHABLE: Meant = Next(502, Some("upstream_unreachable"));
const TLS: Meant = Next(502, Some("upstream_tls_failed"));
const LATE: Meant = Next(504, Some("upstream_timeout"));
const LOST: Meant = Next(502, Some("upstream_connection_lost"));
const CUT: Meant = Next(502, Some("upstream_stream_cut"));

pub(crate) static FAULTS: [Fault; 29] = [
    both("connection refused", At(Place::NoListener), UNREACHABLE),
    both("no such host", At(Place::NoHost), UNREACHABLE),
    both("no TLS", At(Place::NoTls), TLS),
    both("unknown authority", At(Place::UnknownAuthority), TLS),
    both("no connection in time", At(Place::NoRoom), LATE),
    both("no first byte", Script("hang=header"), LATE),
    both("no first word", Script("hang=stream hang_after=0"), LATE),
    fault(
        "silence in the middle",
        Script("chunks=4 hang=stream hang_after=2"),
        Broken("upstream_timeout", "timeout"),
        LATE,
    ),
    both("408", Script("status=408"), Next(408, None)),
    both(
        "429",
        Script("status=429 retry_after=3600"),
        Next(429, None),
    ),
    both(
        "500",
        Script("status=500"),
        Next(502, Some("upstream_failed")),
    ),
    both(
        "502",
        Script("status=502"),
        Next(502, Some("upstream_failed")),
    ),
    both(
        "503",
        Script("status=503"),
        Next(503, Some("server_is_overloaded")),
    ),
    both(
        "504",
        Script("status=504"),
        Next(504, Some("upstream_failed")),
    ),
    both(
        "529",
        Script("status=529"),
        Next(529, Some("server_is_overloaded")),
    ),
    both(
        "HTML",
        Script("status=502 html"),
        Next(502, Some("upstream_failed")),
    ),
    both("HTML and 429", Script("status=429 html"), Next(429, None)),
    both("error in a 200", Script("error_after=0"), Next(502, None)),
    fault(
        "error in the middle",
        Script("chunks=4 error_after=2"),
        Broken("", "upstream_error"),
        Next(502, None),
    ),
    both("empty answer", Script("empty=content"), Empty),
    both(
        "no body",
        Script("empty=body"),
        Next(502, Some("upstream_bad_response")),
    ),
    both("end before the status", Script("cut=status"), LOST),
    both("end inside the header", Script("cut=header"), LOST),
    fault(
        "end before the first word",
        Script("cut=between cut_after=0"),
        CUT,
        LOST,
    ),
    fault(
        "reset before the first word",
        Script("cut=between cut_after=0 rst"),
        CUT,
        LOST,
    ),
    fault(
        "end in the middle",
        Script("chunks=4 cut=between cut_after=2"),
        Broken("upstream_stream_cut", "truncated"),
        LOST,
    ),
    fault(
        "bad JSON",
        Script("chunks=1 bad_json"),
        Next(502, Some("upstream_bad_event")),
        Next(502, Some("upstream_bad_response")),
    ),
    both("401", Key, Next(502, Some("upstream_auth_failed"))),
    both("400", Script("status=400"), Told(400)),
];

/// What jobs have of their own: the answer is in an envelope, and may end without it.
pub(crate) static OF_JOBS: [Fault; 12] = [
    fault(
        "silence in the middle",
        Script("chunks=20 hang=stream hang_after=8"),
        Broken("upstream_timeout", "timeout"),
        LATE,
    ),
    both("no first word", Script("hang=stream hang_after=0"), LATE),
    both("end before the first word", Script("cut=between"), LOST),
    both(
        "reset before the first word",
        Script("cut=between rst"),
        LOST,
    ),
    fault(
        "end in the middle",
        Script("chunks=20 job=failed"),
        Broken("upstream_job_failed", "upstream_error"),
        Next(502, Some("upstream_job_failed")),
    ),
    both(
        "bad JSON",
        Script("bad_json"),
        Next(502, Some("upstream_bad_response")),
    ),
    fault(
        "error in a 200",
        Script("error_after=0"),
        Next(502, None),
        Never,
    ),
    fault(
        "error in the middle",
        Script("chunks=4 error_after=2"),
        Broken("", "upstream_error"),
        Never,
    ),
    both("no body", Script("empty=body"), Never),
    both(
        "job failed",
        Script("chunks=0 job=failed"),
        Next(502, Some("upstream_job_failed")),
    ),
    both(
        "job cancelled",
        Script("job=cancelled"),
        Next(503, Some("upstream_job_cancelled")),
    ),
    both(
        "job timed out",
        Script("job=timed_out"),
        Next(504, Some("upstream_job_timed_out")),
    ),
];
