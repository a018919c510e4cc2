"""What a client's connection pool relies on, seen with the standard library's HTTP client."""

import http.client
import json
import urllib.parse

from conftest import KEY, ROOT, user


def connect():
    address = urllib.parse.urlsplit(ROOT)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    connection.connect()
    # From here on a closed connection is an error, not opened again in silence.
    connection.auto_open = 0
    return connection


def ask(connection, model, **more):
    body = {"model": model, "messages": user("[[sim: say=one+two]]"), **more}
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    reply = connection.getresponse()
    return reply, reply.read().decode()


def test_a_stream_leaves_the_connection_open(chat_model):
    connection = connect()
    for _ in range(3):
        reply, text = ask(connection, chat_model, stream=True)
        # Without the end of the body marked, a cut cannot be told from the end.
        assert reply.getheader("transfer-encoding") == "chunked"
        assert text.endswith("data: [DONE]\n\n")
    connection.close()


def test_whole_answers_and_refusals_leave_the_connection_open(chat_model):
    connection = connect()
    for model, status in [(chat_model, 200), ("no-such-model", 404), (chat_model, 200)]:
        reply, text = ask(connection, model)
        assert (reply.status, "choices" in json.loads(text)) == (status, status == 200)
    connection.close()
