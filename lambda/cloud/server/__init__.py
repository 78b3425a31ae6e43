"""The cloud on a machine of one's own: what API Gateway and EventBridge do on AWS."""
