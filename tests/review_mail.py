"""The mailbox of an administrator: a queue that has subscribed to the topic of reviews."""

import json
from dataclasses import dataclass
from time import monotonic
from typing import Any

from mcp_demo.deploy.profile import Profile


@dataclass(frozen=True)
class Mailbox:
    """What the topic sends, until somebody reads it."""

    sqs: Any
    queue: str

    def read(self) -> str:
        """The next message."""
        deadline = monotonic() + 20
        while monotonic() < deadline:
            answer = self.sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                return str(json.loads(message["Body"])["Message"])
        raise AssertionError("no message came")

    def link(self) -> str:
        """The link of the next message."""
        return next(line for line in self.read().splitlines() if line.startswith("http"))


def mailbox(profile: Profile, topic: str) -> Mailbox:
    """Subscribe a new queue to a topic."""
    sqs: Any = profile.client("sqs")
    queue = sqs.create_queue(QueueName=f"mail-{topic.rpartition(':')[2]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sender = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}}
    allow = {
        **sender,
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": [allow]})})
    profile.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return Mailbox(sqs, queue)
