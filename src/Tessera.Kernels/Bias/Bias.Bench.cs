using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Bias
{
    /// <summary>Both directions, out of cache.</summary>
    /// <remarks>Bytes an element: forward 8 (read and written in place), backward 4 (only read).</remarks>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Width = RowBench.Width, Tokens = RowBench.Tokens;
        const double Bytes = (double)RowBench.Elements * sizeof(float);
        string sizes = $"{Tokens}x{Width}";
        return
        [
            RowBench.Copy($"bias {sizes}", 2 * Bytes, arena =>
            {
                float* y = RowBench.Filled(arena, RowBench.Elements, 1);
                float* bias = RowBench.Filled(arena, Width, 2);
                return () => Forward(device, y, bias, Tokens, Width);
            }),
            RowBench.Read($"bias-backward {sizes}", Bytes, arena =>
            {
                float* y = RowBench.Filled(arena, RowBench.Elements, 1);
                float* gradient = RowBench.Filled(arena, Width, 3);
                return () => Backward(device, y, gradient, Tokens, Width);
            }),
        ];
    }
}
