// Does not compile: a test reads the message.
extern "C" __global__ void broken(const __grid_constant__ long long a) {
    undeclared_function(a);
}
