using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class RmsNorm
{
    /// <summary>The forward forms and the backward pass, out of cache.</summary>
    /// <remarks>
    /// Moved for an element, in elements: forward 2 (x, y); with the addition 4 (residual, branch, their sum in the place of one of them, y); backward
    /// 3 (gradY, x, gradX in the place of gradY), accumulating 4 (gradX is read, too). Gain and partial sums stay in the caches.
    /// </remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target) =>
        target.Pick<int[]>([target.Width], [target.Width], [target.Width, 2 * target.Width])
            .SelectMany(width => BenchCases(target, target.Tokens, width));

    private static BenchCase[] BenchCases(BenchTarget target, int tokens, int width)
    {
        var (device, type) = (target.Device, target.Type);
        double tensor = (double)tokens * width * type.Bytes();
        string sizes = $"{tokens}x{width}";
        return
        [
            RowBench.Copy(type, $"rmsnorm {sizes}", 2 * tensor, arena =>
            {
                var b = new BenchBuffers(arena, type, tokens, width);
                return () => Forward(device, b.X, b.Gain, b.Y, b.InverseRms, tokens, width, 1e-5f);
            }),
            RowBench.Copy(type, $"add-rmsnorm {sizes}", 4 * tensor, arena =>
            {
                // The stream grows by the branch with every run: by some thousands at most, which costs nothing.
                var b = new BenchBuffers(arena, type, tokens, width);
                return () => AddForward(device, b.X, b.Branch, b.X, b.Gain, b.Y, b.InverseRms, tokens, width, 1e-5f);
            }),
            RowBench.Copy(type, $"add-rmsnorm-into-branch {sizes}", 4 * tensor, arena =>
            {
                var b = new BenchBuffers(arena, type, tokens, width);
                return () => AddForward(device, b.X, b.Branch, b.Branch, b.Gain, b.Y, b.InverseRms, tokens, width, 1e-5f);
            }),
            RowBench.Copy(type, $"rmsnorm-backward {sizes}", 3 * tensor, arena =>
            {
                // Gains and scales of 1 project the gradient again and again: it neither grows nor vanishes.
                var b = new BenchBuffers(arena, type, tokens, width);
                var ones = new Elements((nint)BenchInputs.Ones(arena, width), DType.F32);
                float* scales = BenchInputs.Ones(arena, tokens);
                return () => Backward(device, b.Branch, b.X, scales, ones, b.Branch, b.GradGain, tokens, width);
            }),
            RowBench.Copy(type, $"rmsnorm-backward-accumulate {sizes}", 4 * tensor, arena =>
            {
                var b = new BenchBuffers(arena, type, tokens, width);
                return () => Backward(device, b.Branch, b.X, b.InverseRms, b.Gain, b.Y, b.GradGain, tokens, width);
            }),
        ];
    }

    private sealed class BenchBuffers(Arena arena, DType type, int tokens, int width)
    {
        public Elements X { get; } = BenchInputs.Filled(arena, (long)tokens * width, type, 1);

        public Elements Branch { get; } = BenchInputs.Filled(arena, (long)tokens * width, type, 2);

        public Elements Y { get; } = BenchInputs.Filled(arena, (long)tokens * width, type, 3);

        public Elements Gain { get; } = BenchInputs.Filled(arena, width, DType.F32, 4);

        public Elements GradGain { get; } = BenchInputs.Filled(arena, width, DType.F32, 5);

        public float* InverseRms { get; } = BenchInputs.Floats(arena, tokens, 6);
    }
}
