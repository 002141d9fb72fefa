"""An HTTP server for bench/what_if.sh: GET /MS/FAILURES/ID takes MS milliseconds; the first FAILURES for an ID are
answered with 503. Prints its port."""

import collections
import http.server
import sys
import threading
import time

asked = collections.Counter()
lock = threading.Lock()


class Slow(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        _, milliseconds, failures, name = self.path.split("/")
        time.sleep(int(milliseconds) / 1000)
        with lock:
            asked[name] += 1
            failed = asked[name] <= int(failures)
        self.send_response(503 if failed else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


server = Server(("127.0.0.1", 0), Slow)
print(server.server_address[1])
sys.stdout.flush()
server.serve_forever()
