//! The tests that go through the front door: the real daemon as a child process with its own directory, a real SoftHSM2
//! token, and clients we did not write. One module for one story; what must hold for every endpoint is tested over the route table.
