using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tessera.Kernels;

/// <content>Which keys of a tile the rows of a unit see: causality ends them, a sliding window begins them.</content>
public static unsafe partial class Attention
{
    /// <summary>Where the tile begins that holds the first key which a query at <paramref name="position"/> or behind it sees.</summary>
    private static int FirstTile(in AttentionShape shape, int position) => shape.FirstVisible(position) / KeyTile * KeyTile;

    /// <summary>How many leading queries of a unit, the first of them at <paramref name="prefix"/>, still see a key of a tile.</summary>
    private static int QueriesSeeing(int tile, int count, int prefix, int queries, int window) =>
        window == 0 ? queries : (int)Math.Min(queries, (long)tile + count - 1 + window - prefix);

    /// <summary>Which lanes of a tile a row sees: those below <c>end</c> and, in a window, from <c>hidden</c> on.</summary>
    private interface IVisibility
    {
        static abstract Vector512<float> Mask(Vector512<int> lane, Vector512<int> end, int hidden);
    }

    /// <summary>No row of the group has a key of the tile before its window.</summary>
    private readonly struct AllBefore : IVisibility
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Mask(Vector512<int> lane, Vector512<int> end, int hidden) =>
            Vector512.LessThan(lane, end).AsSingle();
    }

    /// <summary>Windows of the group begin within the tile.</summary>
    private readonly struct WindowBefore : IVisibility
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Mask(Vector512<int> lane, Vector512<int> end, int hidden) =>
            (Vector512.LessThan(lane, end) & Vector512.GreaterThanOrEqual(lane, Vector512.Create(hidden))).AsSingle();
    }

    /// <summary>Consecutive rows of a unit against one tile, and which of its keys each of them sees.</summary>
    private readonly struct RowSpan(int first, int count, int group, int visibleOfQueryZero, int keys, int window)
    {
        public int First { get; } = first;

        public int Count { get; } = count;

        public int Group { get; } = group;

        public int Keys { get; } = keys;

        /// <summary>Keys of the tile up to the row's own position.</summary>
        public int Visible(int row) => Math.Clamp(visibleOfQueryZero + ((First + row) / Group), 0, Keys);

        /// <summary>Keys of the tile before the row's window.</summary>
        public int Hidden(int row) => Math.Max(0, HiddenUnclamped(row));

        /// <summary>As <see cref="Hidden"/>, negative where the window begins before the tile; it grows by 1 a query.</summary>
        public int HiddenUnclamped(int row) => window == 0 ? int.MinValue / 2 : visibleOfQueryZero + ((First + row) / Group) - window;
    }
}
