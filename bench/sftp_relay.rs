//! A TCP relay that makes a line longer: what comes in leaves half a round trip later, however much is on the way. Standard
//! library only: `rustc -O bench/sftp_relay.rs`.
//!
//!     sftp_relay SERVER:PORT [MILLISECONDS...]     a line for each number, "MILLISECONDS PORT" once it listens

use std::env::args;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// The most that is read at once.
const CHUNK: usize = 256 * 1024;
/// The most chunks on the way in one direction of a connection: past it the sender is held up. A chunk is what was there to
/// be read, at least a packet.
const ON_THE_WAY: usize = 32 * 1024;

/// Bytes, how many of them, and when they are to leave.
type Chunk = (Instant, Vec<u8>, usize);
/// Room for chunks, of all connections, the last used first: fresh memory would cost the machine more than copying does.
static FREE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn main() {
    let mut arguments = args().skip(1);
    let server = arguments.next().expect("SERVER:PORT");
    let lines: Vec<_> = arguments.map(|ms| ms.parse::<u64>().expect("milliseconds")).collect();
    for round_trip in lines {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        println!("{round_trip} {}", listener.local_addr().expect("it is bound").port());
        let (server, delay) = (server.clone(), Duration::from_micros(round_trip * 500));
        spawn(move || accept(&listener, &server, delay));
    }
    loop {
        std::thread::park();
    }
}

fn accept(listener: &TcpListener, server: &str, delay: Duration) {
    for client in listener.incoming().flatten() {
        let server = server.to_owned();
        spawn(move || {
            // Connecting takes a round trip, which the kernel's answer to the client did not.
            sleep(2 * delay);
            let Ok(upstream) = TcpStream::connect(server) else { return };
            let pairs = [(&client, &upstream), (&upstream, &client)];
            for (from, to) in pairs.map(|(from, to)| (from.try_clone(), to.try_clone())) {
                let (Ok(from), Ok(to)) = (from, to) else { return };
                let _ = to.set_nodelay(true);
                let (queue, chunks) = sync_channel(ON_THE_WAY);
                spawn(move || read(from, &queue, delay));
                spawn(move || write(to, &chunks));
            }
        });
    }
}

fn read(mut from: TcpStream, queue: &SyncSender<Chunk>, delay: Duration) {
    loop {
        let mut buffer = FREE.lock().unwrap().pop().unwrap_or_else(|| vec![0; CHUNK]);
        let Ok(length @ 1..) = from.read(&mut buffer) else { return };
        acknowledge(&from);
        if queue.send((Instant::now() + delay, buffer, length)).is_err() {
            return;
        }
    }
}

/// Nobody on a line waits for another to acknowledge what passes. The kernel here would, up to 40 ms, and a server that sends its
/// answers one by one (Nagle) with it, whatever its client does.
fn acknowledge(from: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = std::os::linux::net::TcpStreamExt::set_quickack(from, true);
}

fn write(mut to: TcpStream, chunks: &Receiver<Chunk>) {
    for (due, buffer, length) in chunks {
        sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
        FREE.lock().unwrap().push(buffer);
    }
    let _ = to.shutdown(Shutdown::Both);
}
