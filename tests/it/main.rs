//! Stories through the front door: the real daemon as a child process, a real token, real clients.

mod appliance;
mod first_certificate;
mod review;
