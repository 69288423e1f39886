using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class RmsNorm
{
    /// <summary>The forward forms and the backward pass, out of cache.</summary>
    /// <remarks>
    /// Bytes an element: forward 8 (x, y); with the addition 16 (residual, branch, updated residual, y), in place 16 as well;
    /// backward 12 (gradY, x, gradX), accumulating 16 (gradX is read, too). Gain and partial sums stay in the caches.
    /// </remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Width = RowBench.Width, Tokens = RowBench.Tokens;
        const double Element = (double)RowBench.Elements * sizeof(float);
        string sizes = $"{Tokens}x{Width}";
        return
        [
            RowBench.Copy($"rmsnorm {sizes}", 2 * Element, arena =>
            {
                var b = new BenchBuffers(arena);
                return () => Forward(device, b.X, b.Gain, b.Y, b.InverseRms, Tokens, Width, 1e-5f);
            }),
            RowBench.Copy($"add-rmsnorm {sizes}", 4 * Element, arena =>
            {
                var b = new BenchBuffers(arena);
                float* updated = RowBench.Filled(arena, RowBench.Elements, 7);
                return () => AddForward(device, b.X, b.Branch, updated, b.Gain, b.Y, b.InverseRms, Tokens, Width, 1e-5f);
            }),
            RowBench.Copy($"add-rmsnorm-in-place {sizes}", 4 * Element, arena =>
            {
                // x grows by the branch with every run: by some thousands at most, which costs nothing.
                var b = new BenchBuffers(arena);
                return () => AddForward(device, b.X, b.Branch, b.X, b.Gain, b.Y, b.InverseRms, Tokens, Width, 1e-5f);
            }),
            RowBench.Copy($"rmsnorm-backward {sizes}", 3 * Element, arena =>
            {
                var b = new BenchBuffers(arena);
                return () => Backward(device, b.Branch, b.X, b.InverseRms, b.Gain, b.Y, false, b.GradGain, Tokens, Width);
            }),
            RowBench.Copy($"rmsnorm-backward-accumulate {sizes}", 4 * Element, arena =>
            {
                var b = new BenchBuffers(arena);
                return () => Backward(device, b.Branch, b.X, b.InverseRms, b.Gain, b.Y, true, b.GradGain, Tokens, Width);
            }),
        ];
    }

    private sealed class BenchBuffers(Arena arena)
    {
        public float* X { get; } = RowBench.Filled(arena, RowBench.Elements, 1);

        public float* Branch { get; } = RowBench.Filled(arena, RowBench.Elements, 2);

        public float* Y { get; } = RowBench.Filled(arena, RowBench.Elements, 3);

        public float* Gain { get; } = RowBench.Filled(arena, RowBench.Width, 4);

        public float* GradGain { get; } = RowBench.Filled(arena, RowBench.Width, 5);

        public float* InverseRms { get; } = RowBench.Filled(arena, RowBench.Tokens, 6);
    }
}
