"""A producer's own check of the stream user-data, as somebody has it who moves from API Gateway: $1 is the URL of the stream."""
import sys

import requests

url = sys.argv[1]


def check(expected, **body):
    answer = requests.post(url, **body)
    said = answer.content.decode("utf-8")
    print("PASS" if (answer.status_code, said) == (400, expected) else f"FAIL: {expected} expected, but {answer.status_code} {said}")


check("Empty request", json=None)
check("Empty request", data="  ")
check("Malformed JSON", json='{"first_name": "Test, "last_name": "Test"}')
check("Malformed JSON", data='{"first_name": "Test"')
check("JSON missing required keys", json={"first_name": "Test", "last_name": "Test"})
check("JSON missing required keys", json={})
flat = {"first_name": "Ada", "middle_name": "M.", "last_name": "Byrne", "zip_code": "02169"}
nested = {"name": {"first_name": "Chidi", "last_name": "Abara"}, "address": {"city": "Boston", "zip_code": "01234"}}
texts = [flat] * 10 + [nested, '{"first_name": "In", "last_name": "Text", "zip_code": "1"}']
answers = [requests.post(url, json=user) for user in texts]
print("PASS" if all(answer.status_code == 200 for answer in answers) else [answer.content for answer in answers])
assert all(answer.json()["SequenceNumber"] and answer.json()["ShardId"] for answer in answers)
