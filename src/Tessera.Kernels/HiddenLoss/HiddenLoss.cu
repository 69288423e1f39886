// Distances of hidden states, sums in double. Specialisations: STUDENT, TEACHER, GRADIENT (element types), PACK; for the cosine WARPS and
// CHUNKS as well.
// variant: -DSTUDENT=0 -DTEACHER=0 -DGRADIENT=0 -DPACK=1
// variant: -DSTUDENT=1 -DTEACHER=1 -DGRADIENT=1 -DPACK=8
// variant: -DSTUDENT=1 -DTEACHER=1 -DGRADIENT=1 -DPACK=8 -DWARPS=8 -DCHUNKS=2
// variant: -DSTUDENT=0 -DTEACHER=0 -DGRADIENT=0 -DPACK=1 -DWARPS=1 -DCHUNKS=1
#include "rows.cuh"

typedef ElementOf<STUDENT>::type student_t;
typedef ElementOf<TEACHER>::type teacher_t;
typedef ElementOf<GRADIENT>::type gradient_t;

#ifdef WARPS
struct CosineArguments {
    const student_t *student;
    const teacher_t *teacher;
    const float *weights;
    float *loss;
    gradient_t *gradient;
    int tokens;
    int width;
    float scale;
};

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) hidden_cosine(const __grid_constant__ CosineArguments a) {
    long token = (long)blockIdx.x * ROWS_OF_BLOCK + row_of_block();
    if (token >= a.tokens) {
        return;
    }
    int lane = lane_of_row();
    float weight = a.weights[token];
    if (weight == 0.0f) {
        if (lane == 0) {
            a.loss[token] = 0.0f;
        }
        return;
    }

    for (int i = lane * 8; a.gradient && i < a.width; i += ROW_LANES * 8) {
        ask_for(a.gradient + token * a.width + i);
    }
    float student[CHUNKS][PACK], teacher[CHUNKS][PACK];
    double dot = 0.0, student_squares = 0.0, teacher_squares = 0.0;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        int i = (c * ROW_LANES + lane) * PACK;
        if (i >= a.width) {
            continue;
        }
        load_values(a.student + token * a.width + i, student[c]);
        load_values(a.teacher + token * a.width + i, teacher[c]);
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            double s = student[c][p], t = teacher[c][p];
            dot = fma(s, t, dot);
            student_squares = fma(s, s, student_squares);
            teacher_squares = fma(t, t, teacher_squares);
        }
    }
    dot = row_sum(dot);
    student_squares = row_sum(student_squares);
    teacher_squares = row_sum(teacher_squares);
    // The root of each for itself: the product of two sums of squares can leave the range of a double.
    double norms = sqrt(student_squares) * sqrt(teacher_squares);
    if (lane == 0) {
        a.loss[token] = norms == 0.0 ? 1.0f : (float)(1.0 - dot / norms);
    }
    if (!a.gradient || norms == 0.0) {
        return;
    }

    double factor = (double)a.scale * weight;
    double own = factor * (dot / norms / student_squares), other = factor / norms;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        int i = (c * ROW_LANES + lane) * PACK;
        if (i >= a.width) {
            continue;
        }
        float before[PACK];
        load_values(a.gradient + token * a.width + i, before);
#pragma unroll
        for (int p = 0; p < PACK; p++) {
            before[p] += (float)(own * student[c][p] - other * teacher[c][p]);
        }
        store_values(a.gradient + token * a.width + i, before);
    }
}
#else

#define BLOCK 32768

struct SquareArguments {
    const student_t *student;
    const teacher_t *teacher;
    gradient_t *gradient;
    double *partials;
    double *totals;
    double *loss;
    long count;
    int blocks;
    float scale;
};

__device__ __forceinline__ double block_total(double x, double *room) {
    x = warp_sum(x);
    __syncthreads();
    if ((threadIdx.x & 31) == 0) {
        room[threadIdx.x >> 5] = x;
    }
    __syncthreads();
    double sum = 0.0;
    for (int w = 0; w < (int)blockDim.x >> 5; w++) {
        sum += room[w];
    }
    return sum;
}

// partials [2][blocks]: squared differences, squares of the teacher.
extern "C" __global__ void __launch_bounds__(256) square_partials(const __grid_constant__ SquareArguments a) {
    __shared__ double room[32];
    long start = (long)blockIdx.x * BLOCK, end = min(start + BLOCK, a.count);
    double difference = 0.0, norm = 0.0;
    for (long i = start + threadIdx.x * PACK; i < end; i += 256 * PACK) {
        if (i + PACK <= end) {
            float student[PACK], teacher[PACK];
            load_values(a.student + i, student);
            load_values(a.teacher + i, teacher);
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                double t = teacher[p], d = (double)student[p] - t;
                difference = fma(d, d, difference);
                norm = fma(t, t, norm);
            }
        } else {
            for (long one = i; one < end; one++) {
                double t = widen(a.teacher[one]), d = (double)widen(a.student[one]) - t;
                difference = fma(d, d, difference);
                norm = fma(t, t, norm);
            }
        }
    }
    difference = block_total(difference, room);
    norm = block_total(norm, room);
    if (threadIdx.x == 0) {
        a.partials[blockIdx.x] = difference;
        a.partials[a.blocks + blockIdx.x] = norm;
    }
}

// One block. totals: squared differences, squares of the teacher. A teacher of zeros: 0 for a student of zeros, else infinity.
extern "C" __global__ void __launch_bounds__(1024) square_totals(const __grid_constant__ SquareArguments a) {
    __shared__ double room[32];
    double difference = 0.0, norm = 0.0;
    for (long i = threadIdx.x; i < a.blocks; i += 1024) {
        difference += a.partials[i];
        norm += a.partials[a.blocks + i];
    }
    difference = block_total(difference, room);
    norm = block_total(norm, room);
    if (threadIdx.x == 0) {
        a.totals[0] = difference;
        a.totals[1] = norm;
        if (a.loss) {
            *a.loss = difference == 0.0 ? 0.0 : difference / norm;
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) square_gradient(const __grid_constant__ SquareArguments a) {
    double norm = a.totals[1];
    float factor = norm == 0.0 ? 0.0f : (float)(2.0 * a.scale / norm);
    long start = (long)blockIdx.x * BLOCK, end = min(start + BLOCK, a.count);
    for (long i = start + threadIdx.x * PACK; i < end; i += 256 * PACK) {
        if (i + PACK <= end) {
            float student[PACK], teacher[PACK];
            load_values(a.student + i, student);
            load_values(a.teacher + i, teacher);
#pragma unroll
            for (int p = 0; p < PACK; p++) {
                student[p] = factor * (student[p] - teacher[p]);
            }
            store_values(a.gradient + i, student);
        } else {
            for (long one = i; one < end; one++) {
                narrow(factor * (widen(a.student[one]) - widen(a.teacher[one])), a.gradient[one]);
            }
        }
    }
}
#endif
