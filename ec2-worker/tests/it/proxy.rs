//! A proxy in front of PostgreSQL. It counts COPY statements and round trips, and cuts connections at the points that a test
//! chooses.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// The place where the proxy cuts a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// After this number of bytes of rows, in the middle of a COPY.
    RowBytes(u64),
    /// After the database has carried out this statement, before the client hears of it.
    AnswerTo(&'static str),
}

/// A running proxy.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The cuts of the next connections, in order; later connections are not cut.
    cuts: Mutex<VecDeque<Cut>>,
    copies: AtomicU64,
    trips: AtomicU64,
    cut: AtomicU64,
}

impl Proxy {
    /// Starts a proxy before the server on `port` of this machine. Each of the first connections has one of `cuts`.
    pub(crate) async fn start(port: u16, cuts: impl IntoIterator<Item = Cut>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared { cuts: Mutex::new(cuts.into_iter().collect()), ..Shared::default() });
        let known = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, port, known.clone()));
            }
        });
        Self { port: own, shared }
    }

    /// Returns the URL of the database behind the proxy. Without encryption, the proxy can read the statements.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Returns how many COPY statements have passed.
    pub(crate) fn copies(&self) -> u64 {
        self.shared.copies.load(Ordering::SeqCst)
    }

    /// Returns how often a client has waited for the answer of the database.
    pub(crate) fn trips(&self) -> u64 {
        self.shared.trips.load(Ordering::SeqCst)
    }

    /// Returns how many connections were cut.
    pub(crate) fn cut_connections(&self) -> u64 {
        self.shared.cut.load(Ordering::SeqCst)
    }
}

/// Forwards one connection. When this function returns, both sockets are closed.
async fn connection(mut client: TcpStream, port: u16, shared: Arc<Shared>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    // Without this, small messages wait for the acknowledgement of earlier ones.
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }
    let cut = shared.cuts.lock().expect("no panic").pop_front();
    let (from_client, mut to_client) = client.split();
    let (mut from_server, to_server) = server.split();
    let cuts_next_answer = Mutex::new(false);
    tokio::select! {
        _ = requests(from_client, to_server, cut, &shared, &cuts_next_answer) => {}
        () = async {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                if *cuts_next_answer.lock().expect("no panic") {
                    // The database has answered the statement, and the client must not hear it.
                    shared.cut.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if to_client.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        } => {}
    }
}

/// Forwards the messages of a client (PostgreSQL manual, "Message Formats"). Returns when the connection must end.
async fn requests(
    from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    cut: Option<Cut>,
    shared: &Shared,
    cuts_next_answer: &Mutex<bool>,
) -> std::io::Result<()> {
    let mut from = BufReader::with_capacity(64 * 1024, from);
    // The first message has no type.
    let length = from.read_u32().await?;
    let mut start = length.to_be_bytes().to_vec();
    start.resize(length as usize, 0);
    from.read_exact(&mut start[4..]).await?;
    to.write_all(&start).await?;
    let mut rows = 0;
    loop {
        let (kind, length) = (from.read_u8().await?, from.read_u32().await?);
        let mut message = vec![kind];
        message.extend(length.to_be_bytes());
        message.resize(length as usize + 1, 0);
        from.read_exact(&mut message[5..]).await?;
        let body = &message[5..];
        let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
        match kind {
            // The rows of a COPY end, or the client gives them up.
            b'c' | b'f' => drop(shared.copies.fetch_add(1, Ordering::SeqCst)),
            b'Q' | b'S' => drop(shared.trips.fetch_add(1, Ordering::SeqCst)),
            b'd' => rows += body.len() as u64,
            _ => {}
        }
        match cut {
            Some(Cut::RowBytes(limit)) if kind == b'd' && rows > limit => {
                // Half of a message has gone when the line is cut.
                to.write_all(&message[..message.len() / 2]).await?;
                shared.cut.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            Some(Cut::AnswerTo(statement)) if kind == b'Q' && text.trim_end_matches('\0') == statement => {
                *cuts_next_answer.lock().expect("no panic") = true;
            }
            _ => {}
        }
        to.write_all(&message).await?;
    }
}
