//! A collector of traces and metrics: takes requests of OTLP over HTTP, reads their
//! protocol buffers, and keeps what it has got.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Attributes as text.
pub(super) type Attributes = BTreeMap<String, String>;

/// What has come.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) spans: Vec<Span>,
    /// Of each metric the latest points: attributes to count and sum.
    pub(super) metrics: BTreeMap<String, Vec<(Attributes, u64, f64)>>,
    /// Of the senders.
    pub(super) resources: Vec<Attributes>,
    /// Of each request: path, and headers in lower case.
    pub(super) requests: Vec<(String, BTreeMap<String, String>)>,
}

pub(super) struct Collector {
    pub(super) url: String,
    taken: Arc<Mutex<Taken>>,
    status: Arc<AtomicU16>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::<Mutex<Taken>>::default();
        let status = Arc::new(AtomicU16::new(200));
        let (own, says) = (Arc::clone(&taken), Arc::clone(&status));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&own), Arc::clone(&says)));
            }
        });
        Self { url, taken, status }
    }

    /// What every further request is answered with.
    pub(super) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Looks at what has come.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Taken) -> T) -> T {
        look(&self.taken.lock().unwrap())
    }
}

async fn serve(stream: TcpStream, taken: Arc<Mutex<Taken>>, status: Arc<AtomicU16>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers["content-length"].parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let status = status.load(Ordering::Relaxed);
        take(&path, &headers, &body, status, &mut taken.lock().unwrap());
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn take(
    path: &str,
    headers: &BTreeMap<String, String>,
    body: &[u8],
    status: u16,
    taken: &mut Taken,
) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    taken.requests.push((path.to_owned(), headers.clone()));
    if status != 200 {
        return;
    }
    match path {
        "/v1/traces" => {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            for of_resource in request.resource_spans {
                let resource = of_resource.resource.unwrap();
                taken.resources.push(attributes(&resource.attributes));
                for scope in of_resource.scope_spans {
                    assert_eq!(scope.scope.unwrap().name, "serverless-proxy");
                    taken.spans.extend(scope.spans);
                }
            }
        }
        "/v1/metrics" => {
            let request = ExportMetricsServiceRequest::decode(body).unwrap();
            for of_resource in request.resource_metrics {
                let resource = of_resource.resource.unwrap();
                taken.resources.push(attributes(&resource.attributes));
                for metric in of_resource
                    .scope_metrics
                    .into_iter()
                    .flat_map(|s| s.metrics)
                {
                    let Some(Data::Histogram(histogram)) = metric.data else {
                        panic!("{} is no histogram", metric.name);
                    };
                    let points = histogram.data_points.into_iter().map(|point| {
                        let sum = point.sum.unwrap();
                        (attributes(&point.attributes), point.count, sum)
                    });
                    taken.metrics.insert(metric.name, points.collect());
                }
            }
        }
        other => panic!("no such path: {other}"),
    }
}

/// Attributes as text; lists are not among them.
pub(super) fn attributes(list: &[KeyValue]) -> Attributes {
    let text = |value: &AnyValue| match value.value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::BoolValue(is) => is.to_string(),
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::DoubleValue(number) => number.to_string(),
        other @ (any_value::Value::ArrayValue(_)
        | any_value::Value::KvlistValue(_)
        | any_value::Value::BytesValue(_)
        | any_value::Value::StringValueStrindex(_)) => panic!("{other:?}"),
    };
    list.iter()
        .map(|pair| (pair.key.clone(), text(pair.value.as_ref().unwrap())))
        .collect()
}
