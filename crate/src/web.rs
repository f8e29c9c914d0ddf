//! The JavaScript API: the only module that knows `wasm_bindgen`.
//!
//! Errors cross as `Error` objects with a `code`; results as plain objects of which the numeric
//! columns are typed arrays. The worker of `www/` is the intended caller.

use std::cell::RefCell;
use std::ops::Range;

use burn::tensor::Device;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use crate::curves::CurveRequest;
use crate::error::{Error, READER_CODES, Result, short};
use crate::generation::Generation;
use crate::intervention::Intervention;
use crate::kernels;
use crate::request::Request;
use crate::result::{Attribution, Nodes};
use crate::session::Session;
use crate::source::{Chunk, LocalFuture, Part, Source};
use crate::store::Addresses;
use crate::watch::{Progress, Watch};
use crate::weights::Reading;

thread_local! {
    static ON_FAULT: RefCell<Option<Function>> = const { RefCell::new(None) };
    static DEVICE: RefCell<Option<Device>> = const { RefCell::new(None) };
}

/// Installs the handler of faults after which this instance must not be used: a panic, or an
/// error that the graphics stack only logs. The pending promise never settles after either.
#[wasm_bindgen(js_name = onFault)]
pub fn on_fault(handler: Function) {
    ON_FAULT.set(Some(handler));
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        fault(&info.to_string());
    }));
    // A second call only replaces the handler.
    if log::set_logger(&FaultLog).is_ok() {
        log::set_max_level(log::LevelFilter::Error);
    }
}

fn fault(message: &str) {
    if let Some(handler) = ON_FAULT.with_borrow(Clone::clone) {
        // A handler that throws has nobody left to tell.
        let _ = handler.call1(&JsValue::NULL, &message.into());
    }
}

struct FaultLog;

impl log::Log for FaultLog {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() == log::Level::Error
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = format!("{}: {}", record.target(), record.args());
            web_sys::console::error_1(&message.clone().into());
            fault(&message);
        }
    }

    fn flush(&self) {}
}

#[cfg(feature = "webgpu")]
#[wasm_bindgen(module = "/src/subgroups.js")]
extern "C" {
    #[wasm_bindgen(js_name = requestSubgroups)]
    fn request_subgroups();
    #[wasm_bindgen(js_name = hasSubgroups)]
    fn given_subgroups() -> bool;
}

/// Whether shaders may use subgroups, of four or more, on the [`device`] of this build.
pub fn has_subgroups() -> bool {
    #[cfg(feature = "webgpu")]
    return given_subgroups();
    #[cfg(not(feature = "webgpu"))]
    false
}

/// The device of this build, acquired once.
///
/// # Errors
/// `webgpu-unavailable` in the WebGPU build where the browser has no adapter.
pub async fn device() -> Result<Device> {
    if let Some(device) = DEVICE.with_borrow(Clone::clone) {
        return Ok(device);
    }
    #[cfg(feature = "webgpu")]
    request_subgroups();
    #[cfg(feature = "webgpu")]
    let device = Device::wgpu_options()
        .init_async()
        .await
        .map_err(|error| Error::WebgpuUnavailable { cause: error.to_string() })?;
    #[cfg(not(feature = "webgpu"))]
    let device = Device::flex();
    DEVICE.set(Some(device.clone()));
    Ok(device)
}

#[wasm_bindgen]
extern "C" {
    /// What reads files for this module, as `hub.js` and `folder.js` of `www/runtime/loading` do:
    ///
    /// - `read(path: string, start: number, end: number)` resolves to
    ///   `{bytes: Uint8Array, fileLength?: number, release?: () => void}`, of fewer bytes where the
    ///   file ends earlier, `release` being called when the bytes were copied;
    /// - `readWhole(path: string, most: number)` resolves likewise to all of a file of at most `most`
    ///   bytes;
    /// - both reject with an error whose `code` is one of [`READER_CODES`], and whose message is a
    ///   whole sentence that names the file, or with anything else;
    /// - `expect(parts: {path, start, end}[])` hears what will be read next.
    pub type Reader;

    #[wasm_bindgen(method, catch)]
    fn read(
        this: &Reader,
        path: &str,
        start: f64,
        end: f64,
    ) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = readWhole)]
    fn read_whole(this: &Reader, path: &str, most: f64) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn expect(this: &Reader, parts: &js_sys::Array) -> std::result::Result<(), JsValue>;
}

/// A [`Source`] over a JavaScript [`Reader`].
pub struct JsSource(pub Reader);

impl JsSource {
    /// Waits for bytes and uses them while they are there. Also returns the length of the whole file.
    async fn take<T>(
        reading: std::result::Result<Promise, JsValue>,
        look: impl FnOnce(&Uint8Array) -> T,
    ) -> std::result::Result<(T, Option<u64>), JsValue> {
        let read = JsFuture::from(reading?).await?;
        let bytes: Uint8Array = Reflect::get(&read, &"bytes".into())?.dyn_into()?;
        let file_len = Reflect::get(&read, &"fileLength".into())?.as_f64();
        let found = look(&bytes);
        if let Ok(release) = Reflect::get(&read, &"release".into())?.dyn_into::<Function>() {
            release.call0(&JsValue::UNDEFINED)?;
        }
        Ok((found, file_len.map(|length| length as u64)))
    }

    fn start(&self, path: &str, range: Range<u64>) -> std::result::Result<Promise, JsValue> {
        self.0.read(path, range.start as f64, range.end as f64)
    }
}

/// What a reader says passes through; what is not of its codes is worded here.
fn read_error(path: &str, error: &JsValue) -> Error {
    let text = |key: &str| Reflect::get(error, &key.into()).ok()?.as_string();
    let file = path.to_owned();
    let (code, message) = (text("code").unwrap_or_default(), text("message").unwrap_or_default());
    if code == Error::Cancelled.code() {
        return Error::Cancelled;
    }
    match READER_CODES.into_iter().find(|known| *known == code) {
        Some(code) => Error::Reader { file, code, message },
        None if message.is_empty() => {
            Error::FetchFailed { file, cause: "the reader failed".into() }
        }
        None => Error::FetchFailed { file, cause: message },
    }
}

impl Source for JsSource {
    fn read<'a>(&'a self, path: &'a str, range: Range<u64>) -> LocalFuture<'a, Result<Chunk>> {
        Box::pin(async move {
            match Self::take(self.start(path, range), Uint8Array::to_vec).await {
                Ok((bytes, file_len)) => Ok(Chunk { bytes, file_len }),
                Err(error) => Err(read_error(path, &error)),
            }
        })
    }

    fn read_whole<'a>(&'a self, path: &'a str, most: u64) -> LocalFuture<'a, Result<Vec<u8>>> {
        Box::pin(async move {
            let fits = |bytes: &Uint8Array| u64::from(bytes.length()) <= most;
            let look = |bytes: &Uint8Array| fits(bytes).then(|| bytes.to_vec());
            match Self::take(self.0.read_whole(path, most as f64), look).await {
                Ok((Some(bytes), _)) => Ok(bytes),
                Ok((None, _)) => Err(Error::FileTooLarge { file: path.into(), most }),
                Err(error) => Err(read_error(path, &error)),
            }
        })
    }

    fn fill<'a>(
        &'a self,
        path: &'a str,
        start: u64,
        into: &'a mut [u8],
    ) -> LocalFuture<'a, Result<(usize, Option<u64>)>> {
        Box::pin(async move {
            let range = start..start + into.len() as u64;
            let read = Self::take(self.start(path, range), |bytes| {
                let length = (bytes.length() as usize).min(into.len());
                bytes.subarray(0, length as u32).copy_to(&mut into[..length]);
                length
            });
            read.await.map_err(|error| read_error(path, &error))
        })
    }

    fn expect(&self, parts: &[Part]) {
        let parts = parts.iter().map(|Part { path, range }| {
            let part = js_sys::Object::new();
            set(&part, "path", &path.into());
            set(&part, "start", &(range.start as f64).into());
            set(&part, "end", &(range.end as f64).into());
            part
        });
        // A hint that is not taken costs only time.
        let _ = self.0.expect(&parts.collect());
    }
}

/// SHA-256 of bytes that come in pieces, which WebCrypto has not: for files as large as a
/// checkpoint.
#[wasm_bindgen(js_name = Sha256)]
#[derive(Default)]
pub struct JsSha256(sha2::Sha256);

#[wasm_bindgen(js_class = Sha256)]
impl JsSha256 {
    /// Of no bytes yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    /// The hash of all bytes so far, in lower-case hexadecimal.
    pub fn hex(&self) -> String {
        let hash = sha2::Digest::finalize(self.0.clone());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A [`Watch`] over a JavaScript function `(progress: Progress) => Promise<boolean>` that resolves
/// to whether to go on.
struct JsWatch(Function);

impl JsWatch {
    async fn call(&self, progress: Progress) -> std::result::Result<bool, JsValue> {
        let answer = self.0.call1(&JsValue::NULL, &plain(&progress))?;
        Ok(JsFuture::from(Promise::resolve(&answer)).await?.is_truthy())
    }
}

impl Watch for JsWatch {
    fn report(&self, progress: Progress) -> LocalFuture<'_, Result<()>> {
        Box::pin(async move {
            match self.call(progress).await {
                Ok(true) => Ok(()),
                _ => Err(Error::Cancelled),
            }
        })
    }
}

/// A model on this build's device.
#[wasm_bindgen(js_name = Session)]
pub struct JsSession {
    session: Session,
    shape: JsValue,
}

#[wasm_bindgen(js_class = Session)]
impl JsSession {
    /// Opens the model and SAEs at [`Addresses`], reading through a [`Reader`].
    ///
    /// `shape` is what [`shape`](Self::shape) was on the same adapter before, to save the trials;
    /// `private` reads tables as a whole, so that the server cannot tell the prompt from what is asked
    /// of it.
    pub async fn open(
        addresses: JsValue,
        reader: Reader,
        shape: Option<String>,
        private: bool,
    ) -> std::result::Result<JsSession, JsValue> {
        let addresses: Addresses = understood(addresses)?;
        let device = device().await.map_err(js_error)?;
        // The device is tried out and its kernels are compiled while files arrive.
        let tuned = JsFuture::from(future_to_promise({
            let device = device.clone();
            async move {
                let tuned = kernels::tune(&device, shape.as_deref(), has_subgroups())
                    .await
                    .map_err(js_error)?;
                kernels::compile(&device);
                Ok(tuned.into())
            }
        }));
        let source = Box::new(JsSource(reader));
        let reading = Reading { is_private: private, ..Reading::default() };
        let session = Session::open_with(device, source, addresses, reading).await;
        Ok(Self { session: session.map_err(js_error)?, shape: tuned.await? })
    }

    /// The shape of matrix products that this adapter is fastest with.
    #[wasm_bindgen(getter)]
    pub fn shape(&self) -> JsValue {
        self.shape.clone()
    }

    /// Most bytes of device memory taken so far; 0 on the CPU, which computes in wasm memory.
    #[wasm_bindgen(getter, js_name = peakDeviceMemory)]
    pub fn peak_device_memory(&self) -> f64 {
        kernels::peak_memory() as f64
    }

    /// `{n_layer, n_ctx, vocab_size}`.
    #[wasm_bindgen(getter)]
    pub fn config(&self) -> JsValue {
        #[derive(Serialize)]
        struct Shape {
            n_layer: usize,
            n_ctx: usize,
            vocab_size: usize,
        }
        let config = self.session.config();
        plain(&Shape {
            n_layer: config.n_layer,
            n_ctx: config.n_ctx,
            vocab_size: config.vocab_size,
        })
    }

    /// `{token_id, string}` of a prompt, BOS first.
    pub fn tokenize(&self, prompt: &str) -> std::result::Result<JsValue, JsValue> {
        self.session.tokenize(prompt).map(|tokens| plain(&tokens)).map_err(js_error)
    }

    /// `{token_id, string}` of at most `limit` tokens whose text begins with this one.
    pub fn complete(&self, text: &str, limit: usize) -> JsValue {
        plain(&self.session.complete(text, limit))
    }

    /// Answers one request; `report` hears of progress (see `JsWatch`).
    pub async fn attribute(
        &self,
        request: JsValue,
        report: Function,
    ) -> std::result::Result<JsValue, JsValue> {
        let request: Request = understood(request)?;
        let result = self.session.attribute(&request, &JsWatch(report)).await.map_err(js_error)?;
        Ok(columns(result))
    }

    /// Runs a prompt with some latents changed.
    pub async fn intervene(
        &self,
        request: JsValue,
        report: Function,
    ) -> std::result::Result<JsValue, JsValue> {
        let request: Intervention = understood(request)?;
        let found = self.session.intervene(&request, &JsWatch(report)).await.map_err(js_error)?;
        Ok(plain(&found))
    }

    /// Draws how few latents carry a target.
    pub async fn curves(
        &self,
        request: JsValue,
        report: Function,
    ) -> std::result::Result<JsValue, JsValue> {
        let request: CurveRequest = understood(request)?;
        let found = self.session.curves(&request, &JsWatch(report)).await.map_err(js_error)?;
        Ok(plain(&found))
    }

    /// Continues a prompt.
    pub async fn generate(
        &self,
        request: JsValue,
        report: Function,
    ) -> std::result::Result<JsValue, JsValue> {
        let request: Generation = understood(request)?;
        let found = self.session.generate(&request, &JsWatch(report)).await.map_err(js_error)?;
        Ok(plain(&found))
    }
}

/// A request from outside.
fn understood<T: DeserializeOwned>(request: JsValue) -> std::result::Result<T, JsValue> {
    serde_wasm_bindgen::from_value(request)
        .map_err(|error| js_error(Error::RequestInvalid { cause: short(error) }))
}

pub(crate) fn js_error(error: Error) -> JsValue {
    let object = js_sys::Error::new(&error.to_string());
    object.set_name("SaeAttributionError");
    set(&object, "code", &error.code().into());
    if let Some(file) = error.file() {
        set(&object, "file", &file.into());
    }
    object.into()
}

/// The JSON form of a value as JavaScript objects.
fn plain(value: &impl Serialize) -> JsValue {
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .expect("our types have a JSON form")
}

fn set(object: &JsValue, key: &str, value: &JsValue) {
    Reflect::set(object, &key.into(), value).expect("the object is ours and extensible");
}

/// The JSON form of a result, but with its long columns as typed arrays.
fn columns(mut result: Attribution) -> JsValue {
    // Taken out first: they must not become JavaScript numbers one by one.
    let gradients = std::mem::take(&mut result.gradients);
    let attributions = std::mem::take(&mut result.attributions);
    let ablations = std::mem::take(&mut result.ablations);
    let ends = [
        ("sources", Columns::take(&mut result.sources)),
        ("targets", Columns::take(&mut result.targets)),
    ];
    let pairs = result
        .off_staircase
        .as_mut()
        .map(|pairs| (std::mem::take(&mut pairs.target), std::mem::take(&mut pairs.source)));
    let object = plain(&result);
    set(&object, "gradients", &js_sys::Float32Array::from(&gradients[..]));
    set(&object, "attributions", &js_sys::Float32Array::from(&attributions[..]));
    if !ablations.is_empty() {
        set(&object, "ablations", &js_sys::Float32Array::from(&ablations[..]));
    }
    let inner = |key: &str| Reflect::get(&object, &key.into()).expect("a field of the result");
    for (key, columns) in ends {
        columns.put(&inner(key));
    }
    if let Some((target, source)) = pairs {
        let found = inner("off_staircase");
        set(&found, "target", &js_sys::Uint32Array::from(&target[..]));
        set(&found, "source", &js_sys::Uint32Array::from(&source[..]));
    }
    object
}

struct Columns {
    pos: Vec<u32>,
    latent: Vec<u32>,
    token_id: Vec<u32>,
    activation: Vec<f32>,
}

impl Columns {
    fn take(nodes: &mut Nodes) -> Self {
        Self {
            pos: std::mem::take(&mut nodes.pos),
            latent: std::mem::take(&mut nodes.latent),
            token_id: std::mem::take(&mut nodes.token_id),
            activation: std::mem::take(&mut nodes.activation),
        }
    }

    fn put(&self, nodes: &JsValue) {
        set(nodes, "pos", &js_sys::Uint32Array::from(&self.pos[..]));
        set(nodes, "latent", &js_sys::Uint32Array::from(&self.latent[..]));
        set(nodes, "token_id", &js_sys::Uint32Array::from(&self.token_id[..]));
        set(nodes, "activation", &js_sys::Float32Array::from(&self.activation[..]));
    }
}
