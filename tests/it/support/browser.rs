//! Chromium without a window, driven by its DevTools protocol: pages, scripts, keys, the pointer, and whatever a page
//! complains about. Not here: what a page should show.
//!
//! The protocol: <https://chromedevtools.github.io/devtools-protocol/>.

use super::process::{self, Process, Start};
use serde_json::{Value, json};
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tungstenite::{Message, WebSocket};

/// How long the browser may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The size of a page's window.
pub(crate) const SIZE: (u32, u32) = (1200, 800);

/// A running browser.
#[derive(Debug)]
pub(crate) struct Browser {
    folder: PathBuf,
    port: u16,
    path: String,
    /// Dropped, it is stopped.
    _process: Process,
    pages: AtomicUsize,
}

/// A page in a window of its own, which shares nothing with others.
pub(crate) struct Page {
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    asked: u64,
    /// What it told without being asked.
    told: Vec<Value>,
    url: String,
}

impl Browser {
    /// Starts one, with a folder of its own for all it keeps.
    pub(crate) fn start() -> Result<Browser, String> {
        let program = process::program(&["/usr/bin/chromium"], "chromium")?.display().to_string();
        let folder = process::folder("chromium").map_err(|e| format!("a folder for chromium: {e}"))?;
        let (home, profile) = (format!("HOME={}", folder.display()), folder.join("profile"));
        let profile_flag = format!("--user-data-dir={}", profile.display());
        let command = [
            "/usr/bin/env",
            &home,
            &program,
            "--headless=new",
            "--no-sandbox",
            "--remote-debugging-port=0",
            &profile_flag,
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
        ];
        let start = Start { folder: &folder, command: &command, as_root: false, signal: "TERM" };
        // Written once it listens: the port, and the path of the browser's own socket.
        let ready = || {
            let text = fs::read_to_string(profile.join("DevToolsActivePort")).ok()?;
            let (port, path) = text.trim().split_once('\n')?;
            Some((port.parse().ok()?, path.to_owned()))
        };
        let (process, (port, path)) = Process::start_until(&start, ready)?;
        Ok(Browser { folder, port, path, _process: process, pages: AtomicUsize::new(0) })
    }

    /// Opens a page from a file with this text; `fragment` is what follows the `#` of its address.
    pub(crate) fn open(&self, html: &[u8], fragment: &str) -> Page {
        let number = self.pages.fetch_add(1, Ordering::Relaxed);
        let file = self.folder.join(format!("page-{number}.html"));
        fs::write(&file, html).expect("a file");
        process::give(&file).expect("the browser can read it");
        let mut page = self.window(format!("file://{}", file.display()));
        page.show(fragment);
        page
    }

    /// An empty window.
    fn window(&self, url: String) -> Page {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let address = format!("ws://127.0.0.1:{}{}", self.port, self.path);
        let (socket, _) = tungstenite::client(address, stream).expect("the browser speaks WebSocket");
        let mut page = Page { socket, session: None, asked: 0, told: Vec::new(), url };
        let context = page.ask("Target.createBrowserContext", json!({ "disposeOnDetach": true }));
        let context = &context["browserContextId"];
        let target = json!({ "url": "about:blank", "browserContextId": context, "newWindow": true });
        let target = page.ask("Target.createTarget", target)["targetId"].clone();
        let attached = page.ask("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            page.ask(&format!("{domain}.enable"), json!({}));
        }
        // It draws and takes keys as if it were the window in front.
        page.ask("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        let (width, height) = SIZE;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        page.ask("Emulation.setDeviceMetricsOverride", size);
        page
    }
}

impl Page {
    /// Puts another text into its file and loads it anew.
    pub(crate) fn rewrite(&mut self, html: &[u8]) {
        fs::write(self.url.trim_start_matches("file://"), html).expect("a file");
        self.load(&self.url.clone());
        self.settle();
    }

    /// Loads it anew with this fragment.
    pub(crate) fn show(&mut self, fragment: &str) {
        // From the same page with another fragment it would not be loaded again.
        self.load("about:blank");
        let url = if fragment.is_empty() { self.url.clone() } else { format!("{}#{fragment}", self.url) };
        self.load(&url);
        self.settle();
    }

    fn load(&mut self, url: &str) {
        let loaded = |told: &Value| told["method"] == "Page.loadEventFired";
        self.told.retain(|told| !loaded(told));
        self.ask("Page.navigate", json!({ "url": url }));
        while !self.told.iter().any(loaded) {
            let told = self.hear();
            self.told.push(told);
        }
    }

    /// The value of an expression in the page, awaited if it is a promise. What it throws fails the test.
    #[track_caller]
    pub(crate) fn run(&mut self, script: &str) -> Value {
        let expression = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", expression);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {answer:#}");
        answer["result"]["value"].clone()
    }

    /// Waits until what was asked to be drawn is drawn: two frames.
    pub(crate) fn settle(&mut self) {
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
    }

    /// Presses keys, one after the other, such as `ArrowDown`, `Shift+Tab` or `x`.
    pub(crate) fn keys(&mut self, keys: &[&str]) {
        for key in keys {
            let (shift, name) = key.strip_prefix("Shift+").map_or((0, *key), |name| (8, name));
            let text = match name {
                "Enter" => "\r",
                name if name.chars().count() == 1 => name,
                _ => "",
            };
            let code = match name {
                "Tab" => 9,
                "Enter" => 13,
                _ => 0,
            };
            let event = |kind: &str, text: &str| json!({ "type": kind, "key": name, "text": text, "modifiers": shift, "windowsVirtualKeyCode": code });
            let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
            self.ask("Input.dispatchKeyEvent", event(down, text));
            self.ask("Input.dispatchKeyEvent", event("keyUp", ""));
        }
        self.settle();
    }

    /// Moves the pointer to a place, in pixels of the window.
    pub(crate) fn point(&mut self, (x, y): (f64, f64)) {
        self.ask("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": x, "y": y }));
        self.settle();
    }

    /// Presses there, moves to the last place by way of the others, and releases.
    pub(crate) fn drag(&mut self, places: &[(f64, f64)]) {
        let event = |kind: &str, (x, y): (f64, f64)| json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 });
        let (first, last) = (places[0], places[places.len() - 1]);
        self.ask("Input.dispatchMouseEvent", event("mousePressed", first));
        for place in &places[1..] {
            self.ask("Input.dispatchMouseEvent", event("mouseMoved", *place));
        }
        self.ask("Input.dispatchMouseEvent", event("mouseReleased", last));
        self.settle();
    }

    /// Clicks there.
    pub(crate) fn click(&mut self, place: (f64, f64)) {
        self.drag(&[place]);
    }

    /// Turns the wheel with the control key held.
    pub(crate) fn wheel_with_control(&mut self, (x, y): (f64, f64), by: f64) {
        let event =
            json!({ "type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": by, "modifiers": 2 });
        self.ask("Input.dispatchMouseEvent", event);
        self.settle();
    }

    /// Says what the user prefers, such as `("prefers-color-scheme", "dark")`.
    pub(crate) fn prefer(&mut self, name: &str, value: &str) {
        let features = json!([{ "name": name, "value": value }]);
        self.ask("Emulation.setEmulatedMedia", json!({ "media": "screen", "features": features }));
        self.settle();
    }

    /// The nodes of the accessibility tree that are not ignored: what a screen reader is told.
    pub(crate) fn heard(&mut self) -> Vec<(String, String)> {
        let tree = self.ask("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().expect("a list").iter().filter(|node| node["ignored"] == false);
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        nodes.map(|node| (text(&node["role"]), text(&node["name"]))).collect()
    }

    /// The page on paper: a PDF, in base64.
    pub(crate) fn print(&mut self) -> String {
        let answer = self.ask("Page.printToPDF", json!({ "preferCSSPageSize": true }));
        answer["data"].as_str().expect("a file").to_owned()
    }

    /// Errors, warnings and other words on its console, and requests for anything but the page.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.settle();
        let asked = |told: &Value| {
            let url = told["params"]["request"]["url"].as_str().unwrap_or_default().to_owned();
            !(url.starts_with(&self.url) || url == "about:blank" || url.starts_with("data:"))
        };
        let complaint = |told: &&Value| match told["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => true,
            "Network.requestWillBeSent" => asked(told),
            _ => false,
        };
        self.told.iter().filter(complaint).map(Value::to_string).collect()
    }

    /// Asks and waits for the answer.
    #[track_caller]
    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            question["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(question.to_string())).expect("the browser listens");
        loop {
            let mut told = self.hear();
            if told["id"] != self.asked {
                self.told.push(told);
                continue;
            }
            assert!(told["error"].is_null(), "{method}: {told:#}");
            return told["result"].take();
        }
    }

    /// The next thing that the browser says.
    fn hear(&mut self) -> Value {
        loop {
            let message = self.socket.read().expect("the browser says something in time");
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).expect("it speaks JSON");
            }
        }
    }
}
