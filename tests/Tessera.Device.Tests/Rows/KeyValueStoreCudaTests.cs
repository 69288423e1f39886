using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed unsafe class KeyValueStoreCudaTests
{
    private const int StoreRows = 9 * AttentionSegment.PagePositions;

    [Theory]
    [InlineData(DType.F32, DType.F32)]
    [InlineData(DType.F32, DType.BF16)]
    [InlineData(DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.F32)]
    public void New_positions_go_to_their_pages_and_nowhere_else(DType type, DType storage)
    {
        using var device = Card.Open(type);
        foreach (int width in (int[])[7, 16, 128, 1032])
        {
            const int tokens = 90;
            int stride = 3 * width, storeStride = width + 8;
            int[][] pages = [[4, 2, 7], [8]];
            using var longPages = new DeviceArray<int>(device, pages[0]);
            using var shortPages = new DeviceArray<int>(device, pages[1]);
            AttentionSegment[] segments =
            [
                new() { QueryStart = 0, QueryCount = 80, KeyCount = 150, Pages = longPages.Pointer },
                new() { QueryStart = 80, QueryCount = 1, KeyCount = 5, Pages = shortPages.Pointer },
                new() { QueryStart = 81, QueryCount = 9, KeyCount = 9, KeyStart = 20 },
            ];
            using var onCard = new DeviceArray<AttentionSegment>(device, segments);
            using var projection = DeviceBuffer.Random(device, type, tokens * stride, 1);
            using var keys = DeviceBuffer.From(device, storage, new float[StoreRows * storeStride]);
            using var values = DeviceBuffer.From(device, storage, new float[StoreRows * storeStride]);
            KeyValueStore.Append(
                device, projection.Elements + width, projection.Elements + (2 * width), stride, onCard.Pointer, AttentionBounds.Of(segments),
                keys.Elements, values.Elements, storeStride, width);

            double[] rows = projection.ReadWide();
            foreach (var (store, column) in ((DeviceBuffer, int)[])[(keys, width), (values, 2 * width)])
            {
                double[] expected = new double[StoreRows * storeStride];
                for (int s = 0; s < segments.Length; s++)
                {
                    for (int i = 0; i < segments[s].QueryCount; i++)
                    {
                        int position = segments[s].KeyCount - segments[s].QueryCount + i;
                        long row = s < pages.Length ? (pages[s][position / 64] * 64) + (position % 64) : segments[s].KeyStart + position;
                        Array.Copy(rows, ((segments[s].QueryStart + i) * stride) + column, expected, row * storeStride, width);
                    }
                }

                Assert.Equal(RowCases.Singles(RowCases.Rounded(expected, storage)), store.Read());
            }
        }
    }
}
