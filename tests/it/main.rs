//! Stories through the front door: the real daemon as a child process, a real token, real clients.

mod appliance;
mod authorities;
mod command_line;
mod contract;
mod crash;
mod damage;
mod disk;
mod every_route;
mod first_certificate;
mod interop;
mod listener;
mod load;
mod names;
mod pkits;
mod requester;
mod review;
mod scale;
mod serve;
mod store;
mod token_signs;
mod weak_keys;
