//! A small S3 in memory, in this process, with scripted failures.
//!
//! It supports the operations that an upload needs, and is as strict as S3: part numbers and their
//! order, ETags, minimum part sizes, `If-None-Match`, CRC-32. How S3 really behaves is tested with a
//! real server; this one is for faults. Keys and upload ids must consist of unreserved characters.
#![allow(unreachable_pub)]

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use pgsiphon::storage::s3::{ConnectionOptions, RetryPolicy};
use tokio::net::TcpListener;

/// The server also serves below this path.
pub const BELOW: &str = "storage/v1/s3/";
pub const BUCKET: &str = "bucket";
pub const ACCESS_KEY: &str = "test";

/// The supported operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    ListObjects,
    ListMultipartUploads,
    HeadObject,
    GetObject,
    DeleteObject,
    PutObject,
    CreateMultipartUpload,
    UploadPart,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// An error, and nothing is done.
    Reject(u16, &'static str),
    /// It is done, but the response is an error: the response lies.
    RejectAfterActing(u16, &'static str),
    /// The connection ends without a response, and nothing is done.
    ResetBefore,
    /// The connection ends without a response, but it is done: the response is lost.
    ResetAfter,
    /// The response ends in the middle, but it is done.
    TruncatedAnswer,
    /// Status 200 with an error in the body, and nothing is done.
    ErrorInSuccess(&'static str),
    /// Status 200 without a body, and nothing is done.
    EmptySuccess,
    /// Status 200 with this body, and nothing is done.
    Says(&'static str, &'static str),
    /// The XML of the response lacks its end, although the HTTP response is complete; it is done.
    ShortXml,
    /// It is done, but late.
    Delay(Duration),
    /// It is done, but the response is late.
    DelayAnswer(Duration),
    /// A bit of the body changes on the way to the server.
    FlipBit,
    /// All pending uploads disappear first.
    VanishUploads,
}

/// A fault, and which requests of an operation it affects.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub op: Op,
    /// The first affected request, counted from 0.
    pub nth: usize,
    /// The number of affected requests.
    pub times: usize,
    pub fault: Fault,
}

impl Rule {
    pub fn once(op: Op, nth: usize, fault: Fault) -> Rule {
        Rule { op, nth, times: 1, fault }
    }

    pub fn always(op: Op, fault: Fault) -> Rule {
        Rule { op, nth: 0, times: usize::MAX, fault }
    }
}

#[derive(Debug, Clone)]
pub struct Object {
    pub bytes: Vec<u8>,
    pub metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Pending {
    key: String,
    metadata: BTreeMap<String, String>,
    parts: BTreeMap<u32, Vec<u8>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    pending: BTreeMap<String, Pending>,
    rules: Vec<Rule>,
    seen: HashMap<Op, usize>,
    log: Vec<Op>,
    without_owner: Vec<Op>,
    next_upload: u32,
    min_part_bytes: usize,
    wants_equal_parts: bool,
    conditions: Conditions,
}

/// How the server treats `If-None-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conditions {
    #[default]
    Kept,
    Ignored,
    Refused,
}

/// The server; it ends with the runtime that started it.
#[derive(Clone)]
pub struct ScriptedS3 {
    state: Arc<Mutex<State>>,
    pub endpoint_url: String,
}

type Body = BoxBody<Bytes, io::Error>;

impl ScriptedS3 {
    pub async fn start(rules: &[Rule]) -> ScriptedS3 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint_url = format!("http://{}", listener.local_addr().unwrap());
        let state = State { rules: rules.to_vec(), ..State::default() };
        let server = ScriptedS3 { state: Arc::new(Mutex::new(state)), endpoint_url };
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = accepting.clone();
                let service = service_fn(move |request| {
                    let server = server.clone();
                    async move { server.answer(request).await }
                });
                // A scripted reset appears as an error here.
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        server
    }

    /// How a client reaches it, and tries again without long pauses.
    pub fn connection(&self) -> ConnectionOptions {
        let credentials = Credentials::new(ACCESS_KEY, "secret", None, None, "test");
        ConnectionOptions {
            endpoint_url: Some(self.endpoint_url.clone()),
            region: Some("us-east-1".into()),
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            retry: RetryPolicy {
                attempts: 4,
                first_delay: Duration::from_millis(1),
                max_delay: Duration::from_millis(4),
                attempt_timeout: Duration::from_secs(2),
            },
            ..ConnectionOptions::default()
        }
    }

    pub fn object(&self, key: &str) -> Option<Object> {
        self.lock().objects.get(key).cloned()
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        let object = Object { bytes: bytes.to_vec(), metadata: BTreeMap::new() };
        self.lock().objects.insert(key.to_owned(), object);
    }

    pub fn pending_uploads(&self) -> Vec<String> {
        self.lock().pending.keys().cloned().collect()
    }

    pub fn add_pending_upload(&self, key: &str) -> String {
        self.lock().create(key, BTreeMap::new())
    }

    /// The operations requested so far.
    pub fn log(&self) -> Vec<Op> {
        self.lock().log.clone()
    }

    /// The operations requested without `x-amz-expected-bucket-owner`.
    pub fn without_owner(&self) -> Vec<Op> {
        self.lock().without_owner.clone()
    }

    pub fn set_min_part_bytes(&self, bytes: usize) {
        self.lock().min_part_bytes = bytes;
    }

    /// Rejects parts larger than the first, like some providers.
    pub fn want_equal_parts(&self) {
        self.lock().wants_equal_parts = true;
    }

    pub fn set_conditions(&self, conditions: Conditions) {
        self.lock().conditions = conditions;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let call =
            match Call::read(&head.method, head.uri.path(), head.uri.query().unwrap_or(""), head.headers) {
                Ok(call) => call,
                Err(answer) => return Ok(answer.into_response()),
            };
        if !call.headers.contains_key("x-amz-expected-bucket-owner") {
            self.lock().without_owner.push(call.op);
        }
        let fault = self.lock().note(call.op);
        match fault {
            Some(Fault::ResetBefore) => return Err(io::Error::other("scripted reset")),
            Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
            Some(Fault::VanishUploads) => self.lock().pending.clear(),
            _ => {}
        }
        let mut body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
        match fault {
            Some(Fault::Reject(status, code)) => return Ok(Answer::error(status, code).into_response()),
            Some(Fault::ErrorInSuccess(code)) => return Ok(Answer::error(200, code).into_response()),
            Some(Fault::Says(kind, body)) => {
                let mut answer = Answer::new(200);
                answer.body = body.as_bytes().to_vec();
                let mut response = answer.into_response();
                response.headers_mut().insert("content-type", kind.parse().unwrap());
                return Ok(response);
            }
            Some(Fault::EmptySuccess) => return Ok(Answer::new(200).into_response()),
            Some(Fault::FlipBit) if !body.is_empty() => body[0] ^= 1,
            _ => {}
        }
        let answer = self.lock().act(&call, body);
        match fault {
            Some(Fault::RejectAfterActing(status, code)) => Ok(Answer::error(status, code).into_response()),
            Some(Fault::ResetAfter) => Err(io::Error::other("scripted reset")),
            Some(Fault::DelayAnswer(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(answer.into_response())
            }
            Some(Fault::TruncatedAnswer) => Ok(answer.into_truncated_response()),
            Some(Fault::ShortXml) => {
                let mut answer = answer;
                let cut = answer.body.len() - 30;
                answer.body.truncate(cut);
                Ok(answer.into_response())
            }
            _ => Ok(answer.into_response()),
        }
    }
}

/// A request from S3's point of view.
struct Call {
    op: Op,
    key: String,
    query: BTreeMap<String, String>,
    headers: HeaderMap,
}

impl Call {
    fn read(method: &Method, path: &str, query: &str, headers: HeaderMap) -> Result<Call, Answer> {
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("");
        if !authorization.contains(&format!("Credential={ACCESS_KEY}/")) {
            return Err(Answer::error(403, "InvalidAccessKeyId"));
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_prefix(BELOW).unwrap_or(path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if bucket != BUCKET {
            return Err(Answer::error(404, "NoSuchBucket"));
        }
        let query: BTreeMap<String, String> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let has = |name: &str| query.contains_key(name);
        let op = match (method.as_str(), key.is_empty()) {
            ("GET", true) if has("uploads") => Op::ListMultipartUploads,
            ("GET", true) if has("list-type") => Op::ListObjects,
            ("HEAD", false) => Op::HeadObject,
            ("PUT", false) if has("uploadId") => Op::UploadPart,
            ("PUT", false) => Op::PutObject,
            ("POST", false) if has("uploads") => Op::CreateMultipartUpload,
            ("POST", false) if has("uploadId") => Op::CompleteMultipartUpload,
            ("DELETE", false) if has("uploadId") => Op::AbortMultipartUpload,
            ("DELETE", false) => Op::DeleteObject,
            ("GET", false) if has("uploadId") => Op::ListParts,
            ("GET", false) => Op::GetObject,
            _ => return Err(Answer::error(501, "NotImplemented")),
        };
        Ok(Call { op, key: key.to_owned(), query, headers })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn upload_id(&self) -> &str {
        self.query.get("uploadId").map_or("", String::as_str)
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        let pairs = self.headers.iter().filter(|(name, _)| name.as_str().starts_with("x-amz-meta-"));
        pairs.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    /// Checks the body against the CRC-32 sent with it.
    fn check_body(&self, body: &[u8]) -> Result<(), Answer> {
        assert_ne!(self.header("content-encoding"), Some("aws-chunked"), "some providers reject it");
        let Some(declared) = self.header("x-amz-checksum-crc32") else { return Ok(()) };
        let computed = aws_smithy_types::base64::encode(crc32fast::hash(body).to_be_bytes());
        if declared == computed { Ok(()) } else { Err(Answer::error(400, "BadDigest")) }
    }
}

impl State {
    /// Counts a request, and returns its fault, if any.
    fn note(&mut self, op: Op) -> Option<Fault> {
        self.log.push(op);
        let seen = self.seen.entry(op).or_default();
        let number = *seen;
        *seen += 1;
        let hit = |rule: &&Rule| rule.op == op && number >= rule.nth && number - rule.nth < rule.times;
        self.rules.iter().find(hit).map(|rule| rule.fault)
    }

    fn act(&mut self, call: &Call, body: Vec<u8>) -> Answer {
        let acted = match call.op {
            Op::ListObjects => Ok(self.list_objects(call)),
            Op::DeleteObject => {
                self.objects.remove(&call.key);
                Ok(Answer::new(204))
            }
            Op::ListMultipartUploads => Ok(self.list_uploads(call)),
            Op::HeadObject => self.head(call),
            Op::GetObject => self.get(call),
            Op::PutObject => self.put_object(call, body),
            Op::CreateMultipartUpload => {
                let id = self.create(&call.key, call.metadata());
                Ok(Answer::xml(format!(
                    "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                )))
            }
            Op::UploadPart => self.upload_part(call, body),
            Op::CompleteMultipartUpload => self.complete(call, &String::from_utf8_lossy(&body)),
            Op::AbortMultipartUpload => self.pending(call).map(|_| Answer::new(204)).inspect(|_| {
                self.pending.remove(call.upload_id());
            }),
            Op::ListParts => {
                self.pending(call).map(|_| Answer::xml("<ListPartsResult></ListPartsResult>".into()))
            }
        };
        acted.unwrap_or_else(|answer| answer)
    }

    fn create(&mut self, key: &str, metadata: BTreeMap<String, String>) -> String {
        self.next_upload += 1;
        let id = format!("upload-{}", self.next_upload);
        self.pending.insert(id.clone(), Pending { key: key.to_owned(), metadata, parts: BTreeMap::new() });
        id
    }

    fn pending(&self, call: &Call) -> Result<&Pending, Answer> {
        let pending = self.pending.get(call.upload_id()).filter(|pending| pending.key == call.key);
        pending.ok_or_else(|| Answer::error(404, "NoSuchUpload"))
    }

    fn list_objects(&self, call: &Call) -> Answer {
        let prefix = call.query.get("prefix").map_or("", String::as_str).replace("%2F", "/");
        let objects = self.objects.iter().filter(|(key, _)| key.starts_with(&prefix));
        let contents: String = objects
            .map(|(key, object)| {
                format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", object.bytes.len())
            })
            .collect();
        Answer::xml(format!(
            "<ListBucketResult>{contents}<IsTruncated>false</IsTruncated></ListBucketResult>"
        ))
    }

    fn list_uploads(&self, call: &Call) -> Answer {
        let prefix = call.query.get("prefix").map_or("", String::as_str).replace("%2F", "/");
        let uploads: String = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.key.starts_with(&prefix))
            .map(|(id, pending)| {
                format!(
                    "<Upload><Key>{}</Key><UploadId>{id}</UploadId>\
                     <Initiated>2020-01-01T00:00:00.000Z</Initiated></Upload>",
                    pending.key
                )
            })
            .collect();
        Answer::xml(format!("<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>"))
    }

    fn head(&self, call: &Call) -> Result<Answer, Answer> {
        let object = self.objects.get(&call.key).ok_or_else(|| Answer::new(404))?;
        let mut answer = Answer::new(200).header("content-length", &object.bytes.len().to_string());
        for (name, value) in &object.metadata {
            answer = answer.header(name, value);
        }
        Ok(answer)
    }

    /// An object, or the bytes of a range.
    fn get(&self, call: &Call) -> Result<Answer, Answer> {
        let object = self.objects.get(&call.key).ok_or_else(|| Answer::error(404, "NoSuchKey"))?;
        let etag = format!("\"{:08x}\"", crc32fast::hash(&object.bytes));
        if call.header("if-match").is_some_and(|wanted| wanted != etag) {
            return Err(Answer::error(412, "PreconditionFailed"));
        }
        let size = object.bytes.len();
        let range = call.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let (from, to) = match range {
            None => (0, size),
            Some(("", last)) => (size.saturating_sub(last.parse().unwrap()), size),
            Some((from, "")) => (from.parse().unwrap(), size),
            Some((from, to)) => (from.parse().unwrap(), size.min(to.parse::<usize>().unwrap() + 1)),
        };
        if range.is_some() && from >= to {
            return Err(Answer::error(416, "InvalidRange"));
        }
        let body = object.bytes[from..to].to_vec();
        let answer = Answer { status: if range.is_some() { 206 } else { 200 }, headers: Vec::new(), body };
        let answer = answer.header("etag", &etag).header("content-length", &(to - from).to_string());
        Ok(match range {
            Some(_) => answer.header("content-range", &format!("bytes {from}-{}/{size}", to - 1)),
            None => answer,
        })
    }

    fn check_condition(&self, call: &Call) -> Result<(), Answer> {
        if call.header("if-none-match") != Some("*") {
            return Ok(());
        }
        match self.conditions {
            Conditions::Refused => Err(Answer::error(501, "NotImplemented")),
            Conditions::Kept if self.objects.contains_key(&call.key) => {
                Err(Answer::error(412, "PreconditionFailed"))
            }
            Conditions::Kept | Conditions::Ignored => Ok(()),
        }
    }

    fn put_object(&mut self, call: &Call, bytes: Vec<u8>) -> Result<Answer, Answer> {
        call.check_body(&bytes)?;
        self.check_condition(call)?;
        let answer = Answer::new(200).header("etag", &etag(&bytes));
        self.objects.insert(call.key.clone(), Object { bytes, metadata: call.metadata() });
        Ok(answer)
    }

    fn upload_part(&mut self, call: &Call, body: Vec<u8>) -> Result<Answer, Answer> {
        call.check_body(&body)?;
        self.pending(call)?;
        let number = call.query.get("partNumber").and_then(|number| number.parse().ok()).unwrap_or(0);
        if !(1..=10_000).contains(&number) {
            return Err(Answer::error(400, "InvalidArgument"));
        }
        let answer = Answer::new(200).header("etag", &etag(&body));
        if let Some(pending) = self.pending.get_mut(call.upload_id()) {
            let first = pending.parts.values().next().map_or(body.len(), Vec::len);
            if self.wants_equal_parts && body.len() > first {
                return Err(Answer::error(400, "InvalidPart"));
            }
            pending.parts.insert(number, body);
        }
        Ok(answer)
    }

    fn complete(&mut self, call: &Call, xml: &str) -> Result<Answer, Answer> {
        let pending = self.pending(call)?;
        let listed = parts_in(xml);
        let ascending = listed.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if !ascending || listed.is_empty() {
            return Err(Answer::error(400, "InvalidPartOrder"));
        }
        let mut bytes = Vec::new();
        for (index, (number, listed_etag)) in listed.iter().enumerate() {
            let part = pending.parts.get(number).filter(|part| etag(part) == *listed_etag);
            let part = part.ok_or_else(|| Answer::error(400, "InvalidPart"))?;
            if index + 1 < listed.len() && part.len() < self.min_part_bytes {
                return Err(Answer::error(400, "EntityTooSmall"));
            }
            bytes.extend_from_slice(part);
        }
        self.check_condition(call)?;
        let metadata = pending.metadata.clone();
        self.objects.insert(call.key.clone(), Object { bytes, metadata });
        self.pending.remove(call.upload_id());
        Ok(Answer::xml(
            "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>".into(),
        ))
    }
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{:08x}-{}\"", crc32fast::hash(bytes), bytes.len())
}

/// The part numbers and ETags in the body of CompleteMultipartUpload.
fn parts_in(xml: &str) -> Vec<(u32, String)> {
    let within = |text: &str, tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap();
        rest.split_once(&format!("</{tag}>")).unwrap().0.to_owned()
    };
    let parts = xml.split("<Part>").skip(1);
    parts
        .map(|part| {
            let etag = within(part, "ETag").replace("&quot;", "\"").replace("&#34;", "\"");
            (within(part, "PartNumber").parse().unwrap(), etag)
        })
        .collect()
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    fn xml(body: String) -> Answer {
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
        Answer { status: 200, headers: Vec::new(), body: body.into_bytes() }
    }

    fn error(status: u16, code: &str) -> Answer {
        let body = format!("<Error><Code>{code}</Code><Message>scripted {code}</Message></Error>");
        Answer { status, ..Answer::xml(body) }
    }

    fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn into_response(self) -> Response<Body> {
        let body = Full::new(Bytes::from(self.body.clone())).map_err(|never: Infallible| match never {});
        self.with_body(body.boxed())
    }

    /// Announces the whole body, sends half of it, and closes the connection.
    fn into_truncated_response(mut self) -> Response<Body> {
        if self.body.is_empty() {
            self.body = vec![b'x'; 8];
        }
        let half = Bytes::from(self.body[..self.body.len() / 2].to_owned());
        // Trailers are lost, too.
        let frames = futures::stream::iter([false, true]).then(move |ends| {
            let half = half.clone();
            async move {
                if !ends {
                    return Ok(Frame::data(half));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(io::Error::other("scripted end"))
            }
        });
        let length = self.body.len().to_string();
        let has_length = self.headers.iter().any(|(name, _)| name == "content-length");
        let answer = if has_length { self } else { self.header("content-length", &length) };
        answer.with_body(BodyExt::boxed(StreamBody::new(frames)))
    }

    fn with_body(self, body: Body) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        response.body(body).unwrap()
    }
}
