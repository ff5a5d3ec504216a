//! ec2-worker
