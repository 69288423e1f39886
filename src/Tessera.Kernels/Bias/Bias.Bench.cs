using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class Bias
{
    /// <summary>Both directions, out of cache.</summary>
    /// <remarks>Moved for an element, in elements: forward 2 (read and written in place), backward 1 (only read).</remarks>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var (device, type, tokens, width) = (target.Device, target.Type, target.Tokens, target.Width);
        double tensor = (double)target.Elements * type.Bytes();
        string sizes = $"{tokens}x{width}";
        return
        [
            RowBench.Copy(type, $"bias {sizes}", 2 * tensor, arena =>
            {
                Elements y = BenchInputs.Filled(arena, target.Elements, type, 1);
                Elements bias = BenchInputs.Filled(arena, width, DType.F32, 2);
                return () => Forward(device, y, bias, tokens, width);
            }),
            RowBench.Read(type, $"bias-backward {sizes}", tensor, arena =>
            {
                Elements y = BenchInputs.Filled(arena, target.Elements, type, 1);
                Elements gradient = BenchInputs.Filled(arena, width, DType.F32, 3);
                return () => Backward(device, y, gradient, tokens, width);
            }),
        ];
    }
}
