using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class QuantizedLinear
{
    private const int ScaleBytes = 2 * TileRows;

    /// <summary>Adds the products of a tile's records and a block's records, one after the other, to sums[token, row].</summary>
    private static void Multiply(DType type, int width, byte* weights, byte* tokens, int groups, float* sums)
    {
        if (type == DType.Int8)
        {
            Multiply<Int8Weights>(width, weights, tokens, groups, sums);
        }
        else
        {
            Multiply<Int4Weights>(width, weights, tokens, groups, sums);
        }
    }

    private static void Multiply<TWeights>(int width, byte* weights, byte* tokens, int groups, float* sums)
        where TWeights : struct, IGroupedWeights
    {
        if (AvxVnni.IsSupported)
        {
            switch (width)
            {
                case 1:
                    VnniOne<TWeights>(weights, tokens, groups, sums);
                    break;
                case 2:
                    VnniTwo<TWeights>(weights, tokens, groups, sums);
                    break;
                case 4:
                    VnniFour<TWeights>(weights, tokens, groups, sums);
                    break;
                default:
                    VnniSix<TWeights>(weights, tokens, groups, sums);
                    break;
            }

            return;
        }

        for (int t = 0; t < width; t++)
        {
            if (Avx2.IsSupported)
            {
                Words256<TWeights>(weights, tokens, width, t, groups, sums + (t * TileRows));
            }
            else if (Vector128.IsHardwareAccelerated)
            {
                Words128<TWeights>(weights, tokens, width, t, groups, sums + (t * TileRows));
            }
            else
            {
                Scalar<TWeights>(weights, tokens, width, t, groups, sums + (t * TileRows));
            }
        }
    }

    /// <summary>The binary32 values of 16 finite binary16 numbers, exactly.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> WidenScales(byte* scales)
    {
        // Sign and magnitude move to their places in a binary32 whose exponent is too small by 112; the product sets it right,
        // and makes numbers of those that have no exponent.
        Vector256<short> halves = Vector256.Load((short*)scales);
        Vector512<int> words = Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(halves)
            : Vector512.Create(Vector256.WidenLower(halves), Vector256.WidenUpper(halves));
        return ((words << 13) & Vector512.Create(unchecked((int)0x8FFF_FFFF))).AsSingle() * Vector512.Create(TwoTo112);
    }

    private const float TwoTo112 = 5.192296858534828e33f;

    /// <summary>
    /// sums[row] += (integer sum · the token's scale) · the row's scale, each operation rounded: every instruction set gives the
    /// same bits.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* sums, Vector256<int> low, Vector256<int> high, float* tokenScale, Vector512<float> rowScales)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            // Vector512.Create of two halves would write a register that is carried from call to call.
            Vector512<int> integers = low.ToVector512Unsafe().WithUpper(high);
            Vector512<float> products = Vector512.ConvertToSingle(integers) * Vector512.Create(*tokenScale) * rowScales;
            (Vector512.Load(sums) + products).Store(sums);
            return;
        }

        var scale = Vector256.Create(*tokenScale);
        (Vector256.Load(sums) + (Vector256.ConvertToSingle(low) * scale * rowScales.GetLower())).Store(sums);
        (Vector256.Load(sums + 8) + (Vector256.ConvertToSingle(high) * scale * rowScales.GetUpper())).Store(sums + 8);
    }

    /// <summary>A tile with one token of a block: bytes widened to words, whose products cannot overflow a pair's sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Words256<TWeights>(byte* w, byte* x, int width, int token, int groups, float* sums)
        where TWeights : struct, IGroupedWeights
    {
        int record = TokenBlocks.RecordBytes(width);
        for (; groups > 0; groups--, w += TWeights.RecordBytes, x += record)
        {
            Vector256<int> l = Vector256.Create(((int*)(x + TokenBlocks.StartOffset(width)))[token]), h = l;
            int* quads = (int*)x + token;
            for (byte* pair = w; pair != w + (4 * TWeights.PairBytes); pair += TWeights.PairBytes, quads += 2 * width)
            {
                TWeights.Even(pair, out Vector256<byte> low, out Vector256<byte> high);
                AddWords(ref l, ref h, low, high, quads[0]);
                TWeights.Odd(pair, out low, out high);
                AddWords(ref l, ref h, low, high, quads[width]);
            }

            Add(sums, l, h, (float*)(x + TokenBlocks.ScaleOffset(width)) + token, WidenScales(w + TWeights.RecordBytes - ScaleBytes));
        }
    }

    // Bytes 0 and 2 of every four meet in one multiplication of words, bytes 1 and 3 in the other.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddWords(ref Vector256<int> l, ref Vector256<int> h, Vector256<byte> low, Vector256<byte> high, int quad)
    {
        Vector256<short> words = Vector256.Create(quad).AsInt16(), even = (words << 8) >> 8, odd = words >> 8;
        var mask = Vector256.Create((short)0xFF);
        l += Avx2.MultiplyAddAdjacent(low.AsInt16() & mask, even) + Avx2.MultiplyAddAdjacent(low.AsInt16() >>> 8, odd);
        h += Avx2.MultiplyAddAdjacent(high.AsInt16() & mask, even) + Avx2.MultiplyAddAdjacent(high.AsInt16() >>> 8, odd);
    }

    /// <summary>As <see cref="Words256"/> without its instructions: a product of a byte and a signed byte within ±127 fits a word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Words128<TWeights>(byte* w, byte* x, int width, int token, int groups, float* sums)
        where TWeights : struct, IGroupedWeights
    {
        int record = TokenBlocks.RecordBytes(width);
        for (; groups > 0; groups--, w += TWeights.RecordBytes, x += record)
        {
            Vector128<int> a = Vector128.Create(((int*)(x + TokenBlocks.StartOffset(width)))[token]), b = a, c = a, d = a;
            for (int step = 0; step < 8; step++)
            {
                Vector128<short> words = Vector128.Create(((int*)x)[(step * width) + token]).AsInt16(), even = (words << 8) >> 8, odd = words >> 8;
                a += FourProducts(TWeights.Quarter(w, step, 0), even, odd);
                b += FourProducts(TWeights.Quarter(w, step, 1), even, odd);
                c += FourProducts(TWeights.Quarter(w, step, 2), even, odd);
                d += FourProducts(TWeights.Quarter(w, step, 3), even, odd);
            }

            float* scales = (float*)(x + TokenBlocks.ScaleOffset(width));
            ushort* rowScales = (ushort*)(w + TWeights.RecordBytes - ScaleBytes);
            Add(sums, a, scales[token], rowScales);
            Add(sums + 4, b, scales[token], rowScales + 4);
            Add(sums + 8, c, scales[token], rowScales + 8);
            Add(sums + 12, d, scales[token], rowScales + 12);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> FourProducts(Vector128<byte> rows, Vector128<short> even, Vector128<short> odd)
    {
        Vector128<int> first = ((rows.AsInt16() & Vector128.Create((short)0xFF)) * even).AsInt32();
        Vector128<int> second = ((rows.AsInt16() >>> 8) * odd).AsInt32();
        return ((first << 16) >> 16) + (first >> 16) + ((second << 16) >> 16) + (second >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* sums, Vector128<int> integers, float tokenScale, ushort* rowScales)
    {
        Vector128<int> words = Vector128.WidenLower(Vector128.CreateScalar(*(ulong*)rowScales).AsInt16());
        Vector128<float> scales = ((words << 13) & Vector128.Create(unchecked((int)0x8FFF_FFFF))).AsSingle() * Vector128.Create(TwoTo112);
        (Vector128.Load(sums) + (Vector128.ConvertToSingle(integers) * Vector128.Create(tokenScale) * scales)).Store(sums);
    }

    /// <summary>The formula, one integer at a time.</summary>
    private static void Scalar<TWeights>(byte* w, byte* x, int width, int token, int groups, float* sums)
        where TWeights : struct, IGroupedWeights
    {
        int record = TokenBlocks.RecordBytes(width);
        for (; groups > 0; groups--, w += TWeights.RecordBytes, x += record)
        {
            Half* rowScales = (Half*)(w + TWeights.RecordBytes - ScaleBytes);
            for (int row = 0; row < TileRows; row++)
            {
                int sum = ((int*)(x + TokenBlocks.StartOffset(width)))[token];
                for (int column = 0; column < DTypes.GroupElements; column++)
                {
                    sum += TWeights.Integer(w, row, column) * (sbyte)x[(((column / 4 * width) + token) * 4) + (column % 4)];
                }

                float product = sum * ((float*)(x + TokenBlocks.ScaleOffset(width)))[token];
                product *= (float)rowScales[row];
                sums[row] += product;
            }
        }
    }
}
