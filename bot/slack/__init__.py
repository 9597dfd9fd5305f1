"""The Slack adapter: turns Slack's events into requests, and replies into messages. Nothing of Slack leaves this folder."""
