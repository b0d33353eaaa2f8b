// Multiplication without a DSP block: a row of B for each bit of A, added one after the other.
// Adders are $alu cells, not `+`: yosys turns a sum of many terms into carry-save logic, which takes
// twice the LUTs of carry chains.
(* techmap_celltype = "$mul" *)
module soft_multiplier (A, B, Y);
    parameter A_SIGNED = 0;
    parameter B_SIGNED = 0;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;
    (* force_downto *) input [A_WIDTH-1:0] A;
    (* force_downto *) input [B_WIDTH-1:0] B;
    (* force_downto *) output [Y_WIDTH-1:0] Y;

    wire [Y_WIDTH-1:0] extended = {{Y_WIDTH{B_SIGNED ? B[B_WIDTH-1] : 1'b0}}, B};
    wire [Y_WIDTH-1:0] sums [0:A_WIDTH-1];
    assign sums[0] = A[0] ? extended : 0;
    assign Y = sums[A_WIDTH-1];

    genvar i;
    generate
        for (i = 1; i < A_WIDTH; i = i + 1) begin : row
            wire [Y_WIDTH-1:i] masked = A[i] ? extended : 0;
            wire [Y_WIDTH-1:i] unused_x, unused_co;
            // The top bit of a signed number counts negative.
            wire subtract = A_SIGNED && i == A_WIDTH-1;
            \$alu #(
                .A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(Y_WIDTH-i), .B_WIDTH(Y_WIDTH-i), .Y_WIDTH(Y_WIDTH-i)
            ) adder (
                .A(sums[i-1][Y_WIDTH-1:i]), .B(masked), .CI(subtract), .BI(subtract),
                .Y(sums[i][Y_WIDTH-1:i]), .X(unused_x), .CO(unused_co)
            );
            assign sums[i][i-1:0] = sums[i-1][i-1:0];
        end
    endgenerate
endmodule
