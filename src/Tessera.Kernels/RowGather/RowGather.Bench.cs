using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class RowGather
{
    /// <summary>Every other row of a table, out of cache: half of it is read, and as much is written.</summary>
    public static IEnumerable<BenchCase> BenchCases(BenchTarget target)
    {
        var (type, width, count) = (target.Type, target.Width, target.Tokens / 2);
        return
        [
            RowBench.Copy(type, $"row-gather {count}x{width}", (double)target.Elements * type.Bytes(), arena =>
            {
                var source = MatrixView.Of(BenchInputs.Filled(arena, target.Elements, type, 1), target.Tokens, width);
                Elements gathered = BenchInputs.Filled(arena, (long)count * width, type, 2);
                int* rows = (int*)BenchInputs.Of<int>(arena, [.. Enumerable.Range(0, count).Select(i => 2 * i)]);
                return () => Forward(target.Device, source, rows, count, gathered);
            }),
        ];
    }
}
