//! Heads and trailers of many small entries: an entry that stood there before is one byte on the way, and many times that once it is decoded.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::attack::memory_kib;
use crate::unread::{MOST_MEMORY_KIB, PREFACE, connect_from, frame, headers, start};

/// Calls of one connection, as many as there may be at once.
const CALLS: u32 = 120;

/// An entry, and as many more of it: one that is put into the table (RFC 7541, section 6.2.1), and that one again (section 6.1).
fn entries(more: usize) -> Vec<u8> {
    [&[0x40, 1, b'x', 0][..], &vec![0xbe; more]].concat()
}

/// Reads until nothing comes, or the connection is over.
fn read_all(stream: &mut TcpStream) {
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut told = [0; 16_384];
    while matches!(stream.read(&mut told), Ok(read) if read > 0) {}
}

/// Where the entries stand.
#[derive(Clone, Copy, Debug)]
enum Where {
    Head,
    Trailers,
}

fn attack(mut stream: TcpStream, more: usize, place: Where) {
    let entries = entries(more);
    let mut said = PREFACE.to_vec();
    for id in (1..2 * CALLS).step_by(2) {
        let head = headers(id, 0);
        match place {
            Where::Head => {
                let block = [&head[9..], &entries].concat();
                said.extend(frame(1, 4, id, &block));
            }
            Where::Trailers => {
                said.extend(head);
                said.extend(frame(0, 0, id, &[0, 0, 0, 0, 200, 7]));
                said.extend(frame(1, 5, id, &entries));
            }
        }
    }
    stream
        .set_write_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    // It may be told to go away before all is said.
    let _ = stream.write_all(&said);
    read_all(&mut stream);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_of_many_entries_take_little_memory() {
    // More than are permitted and read all the same, as many as are permitted, and more than are read.
    for (entries, place) in [
        (240, Where::Head),
        (200, Where::Head),
        (1800, Where::Head),
        (240, Where::Trailers),
    ] {
        let (_folder, service) = start().await;
        let mut threads = Vec::new();
        for client in 1..=48 {
            for _ in 0..5 {
                let stream = connect_from(&service, [127, 0, 5, client]).await;
                let stream = stream.into_std().unwrap();
                stream.set_nonblocking(false).unwrap();
                threads.push(std::thread::spawn(move || attack(stream, entries, place)));
            }
        }
        let all = tokio::task::spawn_blocking(|| {
            for one in threads {
                one.join().unwrap();
            }
        });
        all.await.unwrap();
        let memory = memory_kib(service.id());
        println!("{entries} entries in {place:?}: {memory} KiB");
        assert!(
            memory < MOST_MEMORY_KIB,
            "{entries} {place:?}: {memory} KiB"
        );
        service.kill().await;
    }
}
