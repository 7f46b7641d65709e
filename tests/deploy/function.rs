//! The rotation function as Lambda runs it: the files of its zip in a folder, `bootstrap` called without arguments, under
//! a Lambda runtime API on loopback (AWS, "Using the Lambda runtime API for custom runtimes").

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::cloud::{Cloud, path};
use crate::wait;

pub struct Function {
    runtime: TcpListener,
    child: Child,
    _folder: TempDir,
}

struct Request {
    line: String,
    body: String,
    stream: TcpStream,
}

impl Function {
    pub fn start(cloud: &Cloud, role: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(path("deploy/bootstrap"), folder.path().join("bootstrap")).unwrap();
        std::os::unix::fs::symlink(
            testing::checkpoint_signer(),
            folder.path().join("checkpoint-signer"),
        )
        .unwrap();
        let runtime = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut command: Command =
            cloud.command(role, &folder.path().join("bootstrap"), folder.path());
        let child = command
            .env("LAMBDA_TASK_ROOT", folder.path())
            .env(
                "AWS_LAMBDA_RUNTIME_API",
                runtime.local_addr().unwrap().to_string(),
            )
            .env(
                "AWS_LAMBDA_FUNCTION_NAME",
                "checkpoint-signer-rotation-staging",
            )
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            runtime,
            child,
            _folder: folder,
        }
    }

    fn accept(&self) -> TcpStream {
        self.runtime.set_nonblocking(true).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < wait::PATIENCE {
            if let Ok((stream, _)) = self.runtime.accept() {
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(wait::PATIENCE)).unwrap();
                return stream;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the function does not ask for its next event, nor answer the last");
    }

    fn request(&self) -> Request {
        let stream = self.accept();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push(line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        Request {
            line: head.first().cloned().unwrap_or_default(),
            body: String::from_utf8(body).unwrap(),
            stream,
        }
    }

    /// One event: whether the function posted an error, and what it posted.
    pub fn call(&self, event: Value) -> (bool, Value) {
        let next = self.request();
        assert!(next.line.contains("/invocation/next"), "{}", next.line);
        answer(
            next.stream,
            "200 OK",
            "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
             Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:123456789012:function:rotation\r\n",
            &event.to_string(),
        );
        let posted = self.request();
        let error = posted.line.contains("/error ");
        answer(posted.stream, "202 Accepted", "", "");
        (error, serde_json::from_str(&posted.body).unwrap())
    }
}

/// One request, one connection.
fn answer(mut stream: TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
