using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>On a card the segments are device data; the launch covers as many rows as the longest of them may have.</content>
public static unsafe partial class KeyValueStore
{
    private const int LargestGridSide = 65_535;

    private static readonly CudaKernel<CudaArguments> AppendKernel = new("KeyValueStore.cu", "cache_append", "SOURCE", "STORE", "PACK") { StartsEarly = true };

    private static void AppendCuda(
        CudaDevice cuda, Elements keys, Elements values, long sourceStride, AttentionSegment* segments, in AttentionBounds bounds,
        Elements keyStore, Elements valueStore, long storeStride, int width)
    {
        CudaRows.CheckAlike("cache append: keys and values", keys, values);
        int pack = CudaRows.Pack((uint)width | sourceStride | storeStride, keys.Address, values.Address, keyStore.Address, valueStore.Address);
        CudaExtent threads = CudaRows.RowThreads(CudaRows.Divide(width, pack));
        var grid = new CudaExtent(CudaRows.Divide(bounds.LongestQueries, threads.Y), Math.Min(bounds.Segments, LargestGridSide), 2);
        AppendKernel.Launch(
            cuda, new KernelVariant(CudaRows.Code(keys), CudaRows.Code(keyStore), pack), grid, threads, 0, new CudaArguments
            {
                Keys = keys.Address,
                Values = values.Address,
                Segments = segments,
                KeyStore = keyStore.Address,
                ValueStore = valueStore.Address,
                SourceStride = sourceStride,
                StoreStride = storeStride,
                SegmentCount = bounds.Segments,
                Width = width,
            });
    }

    private struct CudaArguments
    {
        public nint Keys;
        public nint Values;
        public AttentionSegment* Segments;
        public nint KeyStore;
        public nint ValueStore;
        public long SourceStride;
        public long StoreStride;
        public int SegmentCount;
        public int Width;
    }
}
