using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Kernels;

public static unsafe partial class RowGather
{
    /// <summary>Every other row of a table, out of cache: half of it is read, and as much is written.</summary>
    public static IEnumerable<BenchCase> BenchCases(Device device)
    {
        const int Width = RowBench.Width, Count = RowBench.Tokens / 2;
        return
        [
            RowBench.Copy($"row-gather {Count}x{Width}", (double)RowBench.Elements * sizeof(float), arena =>
            {
                var source = new MatrixView((nint)RowBench.Filled(arena, RowBench.Elements, 1), DType.F32, RowBench.Tokens, Width);
                float* target = RowBench.Filled(arena, (long)Count * Width, 2);
                int* rows = (int*)arena.Allocate(Count * sizeof(int));
                for (int i = 0; i < Count; i++)
                {
                    rows[i] = 2 * i;
                }

                return () => Forward(device, source, rows, Count, target);
            }),
        ];
    }
}
