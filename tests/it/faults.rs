//! The fault proxy: each of its faults does what it says, and nothing else.

use crate::support::proxy::{Break, Proxy};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer that must not come is waited for.
const SILENCE: Duration = Duration::from_millis(200);

/// A server that answers whatever comes with the same bytes, until the client says it is done.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || std::io::copy(&mut &client, &mut &client));
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(proxy.address()).unwrap();
    client.set_nodelay(true).unwrap();
    client
}

fn exchange(client: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    client.write_all(bytes).unwrap();
    let mut answer = vec![0; bytes.len()];
    client.read_exact(&mut answer).unwrap();
    answer
}

#[test]
fn without_faults_every_byte_passes_in_both_directions() {
    let proxy = Proxy::start(echo());
    let mut client = connect(&proxy);
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let mut writer = client.try_clone().unwrap();
    let (sent, mut answer) = (bytes.clone(), Vec::new());
    let writing = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    client.read_to_end(&mut answer).unwrap();
    writing.join().unwrap();
    assert!(answer == bytes);
    assert_eq!((proxy.connections(), proxy.bytes()), (1, (300_000, 300_000)));
}

#[test]
fn latency_is_added_in_each_direction_and_does_not_limit_throughput() {
    let proxy = Proxy::start(echo());
    proxy.set(|faults| faults.latency = Duration::from_millis(50));
    let mut client = connect(&proxy);
    let begun = Instant::now();
    assert_eq!(exchange(&mut client, b"ping"), b"ping");
    assert!(begun.elapsed() >= Duration::from_millis(100), "{:?}", begun.elapsed());
    // 200 chunks take one delay, not 200 of them, which would be 20 s.
    let begun = Instant::now();
    let (mut writer, bytes) = (client.try_clone().unwrap(), vec![7; 200 * 16 * 1024]);
    let sent = bytes.clone();
    std::thread::spawn(move || writer.write_all(&sent));
    let mut answer = vec![0; bytes.len()];
    client.read_exact(&mut answer).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn bandwidth_holds_back() {
    let proxy = Proxy::start(echo());
    proxy.set(|faults| faults.bandwidth = Some(100_000));
    let mut client = connect(&proxy);
    let begun = Instant::now();
    exchange(&mut client, &[1; 20_000]);
    assert!(begun.elapsed() >= Duration::from_millis(180), "{:?}", begun.elapsed());
}

#[test]
fn slices_come_byte_by_byte_and_complete() {
    let proxy = Proxy::start(echo());
    proxy.set(|faults| faults.slice = Some(1));
    assert_eq!(exchange(&mut connect(&proxy), b"all of it, in order"), b"all of it, in order");
}

#[test]
fn a_cut_ends_the_stream_after_exactly_so_many_bytes() {
    let proxy = Proxy::start(echo());
    proxy.set(|faults| faults.after = Some((1000, Break::Cut)));
    let mut client = connect(&proxy);
    client.write_all(&[1; 5000]).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.len(), 1000);
}

#[test]
fn a_reset_is_no_orderly_end() {
    let proxy = Proxy::start(echo());
    proxy.set(|faults| faults.after = Some((1000, Break::Reset)));
    let mut client = connect(&proxy);
    client.write_all(&[1; 5000]).unwrap();
    let error = client.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn open_connections_can_be_reset_and_new_ones_work() {
    let proxy = Proxy::start(echo());
    let mut client = connect(&proxy);
    exchange(&mut client, b"fine");
    proxy.reset();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(exchange(&mut connect(&proxy), b"fine again"), b"fine again");
}

#[test]
fn a_stall_is_silence_until_it_is_lifted() {
    let proxy = Proxy::start(echo());
    let mut client = connect(&proxy);
    exchange(&mut client, b"fine");
    proxy.set(|faults| faults.stalled = true);
    client.write_all(b"late").unwrap();
    client.set_read_timeout(Some(SILENCE)).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    proxy.set(|faults| faults.stalled = false);
    client.set_read_timeout(None).unwrap();
    let mut answer = [0; 4];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"late");
}

#[test]
fn a_server_can_fall_silent_after_so_many_bytes() {
    let proxy = Proxy::start(echo());
    proxy.set(|faults| faults.after = Some((1000, Break::Stall)));
    let mut client = connect(&proxy);
    client.write_all(&[1; 5000]).unwrap();
    let mut answer = vec![0; 1000];
    client.read_exact(&mut answer).unwrap();
    client.set_read_timeout(Some(SILENCE)).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn connections_are_refused_and_accepted_again() {
    let proxy = Proxy::start(echo());
    let refused =
        || TcpStream::connect(proxy.address()).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused);
    proxy.set(|faults| faults.refuse = true);
    let begun = Instant::now();
    // The port closes a moment after it is told to; a connection that slipped in is no exchange.
    while !refused() {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    proxy.set(|faults| faults.refuse = false);
    while refused() {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(exchange(&mut connect(&proxy), b"back"), b"back");
}
